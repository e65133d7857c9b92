"""A worker for which a missing key is a defect like another: what it tries too often meanwhile is set aside."""

from konstruct.cli import main
from konstruct.errors import KeyMissing
from konstruct.tables import TenantKey
from konstruct.vault import DataKeys, Vault

real = Vault.unwrapped


def unwrapped(self: Vault, row: TenantKey) -> DataKeys:
    try:
        return real(self, row)
    except KeyMissing as error:
        raise RuntimeError("This key does not open.") from error


if __name__ == "__main__":
    Vault.unwrapped = unwrapped  # type: ignore[method-assign]
    main()
