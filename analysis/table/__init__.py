"""The table of codes: its columns, splits and groups, and which rows and representations an analysis takes."""
