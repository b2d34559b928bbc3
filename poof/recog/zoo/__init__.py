"""What the documents brought: temporal modules, backbones, whole networks, recipes and published checkpoints.

Outside of this folder nothing knows one of them by its file: all are found by name, in `MODULES`, `BACKBONES`,
`NETWORKS` and `RECIPES`, and used through the interfaces in `poof.recog.core`.
"""
