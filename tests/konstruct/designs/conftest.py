import pytest

from tests.konstruct.designs.studio import Studio
from tests.support.office import Office


@pytest.fixture
def studio(office: Office) -> Studio:
    return Studio(office)
