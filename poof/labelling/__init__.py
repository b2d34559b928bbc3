"""Labelling a video: first labels, following, correcting. The page in the browser, `page`, lies above."""
