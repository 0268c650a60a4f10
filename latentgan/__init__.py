"""latentgan: GANs that come with an encoder, and what their latent spaces are good for.

    import latentgan

    source = latentgan.load_source("digits")
    run = latentgan.train(latentgan.configure("bigan"), "run", source=source)
    codes = latentgan.NumpyModel.load(run).encode(source.images)

Names are resolved on first use, so that importing this package does not import torch.
"""

import os

import lazy_loader

# Threads that wait for each other should sleep, not spin: beside another busy process, spinning made training six times
# slower (40 s against 7 s for 60 iterations on two cores). It works if torch is not imported yet; a value that is set
# already is left as it is.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
