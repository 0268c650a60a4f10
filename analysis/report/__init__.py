"""The engine of the report: a document as data, its parts, and the one self-contained HTML file that they become."""
