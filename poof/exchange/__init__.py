"""Results into the places where other tools look for them: their projects with frames, tables for analysis."""

from poof.exchange.export import PEERS, Export, export
from poof.exchange.tracks import Steps, tracks_table, write_tracks

__all__ = ["PEERS", "Export", "Steps", "export", "tracks_table", "write_tracks"]
