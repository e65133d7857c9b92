"""The product's commands in a process that may have few files open, so that few connections are many."""

import resource

from konstruct.cli import main as konstruct

FILES = 128


def main() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    konstruct()


if __name__ == "__main__":
    main()
