"""Many videos with one vocabulary: `poof.toml`, what is out of date, and work on all of them at once.

A project is a folder with a file `poof.toml`: `schema` says what it may hold, `project` reads it, `setup` writes it.
Its folder `.poof` keeps which videos there are, by content (`catalogue`), and what results were made of (`records`), so
that `status` can say what is out of date. `jobs` runs work on many videos in processes of this machine, `cluster` on
others.
"""
