"""One file per format that stores labels; `poof.labels.io` lists them."""
