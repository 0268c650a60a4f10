"""Files, in and out: read through typed models at one place, written whole or not at all."""
