"""`python -m poof` is `poof`."""

from poof.cli import main

if __name__ == "__main__":
    main()
