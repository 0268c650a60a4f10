"""The command line: options in, a call of the library, sentences out."""
