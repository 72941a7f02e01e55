"""The bundle as it is handed on: a folder and its zip with weights, single-file configurations and checksums."""
