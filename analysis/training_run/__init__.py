"""How was the model trained, and do its diagnostics warn?"""
