"""The deployment's key, under which everything in the tests' database is sealed."""

from typing import Final

from cryptography.fernet import Fernet
from pydantic import SecretStr

ENCRYPTION_KEY: Final = SecretStr(Fernet.generate_key().decode())
