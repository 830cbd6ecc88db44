"""Steps with transform."""

from .noise2void_denoiser import Noise2VoidDenoiser
from .triplet_embedder import TripletEmbedder

__all__ = ["Noise2VoidDenoiser", "TripletEmbedder"]
