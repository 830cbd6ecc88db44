"""An image beside itself with its class activation map over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_image_map(
    plain: Axes,
    over: Axes,
    image: NDArray,
    activation: NDArray,
    limits: tuple[float, float],
    titles: tuple[str, str],
) -> Any:
    """Draw the image alone, and with its map.

    Parameters
    ----------
    plain, over : matplotlib.axes.Axes
        Where to draw the image, and the image with its map.
    image : ndarray of shape (height, width)
        The image.
    activation : ndarray of shape (height, width)
        The map.
    limits : tuple of (float, float)
        Values of the map at the ends of the colour scale.
    titles : tuple of (str, str)
        Titles of the two.

    Returns
    -------
    overlay : matplotlib.image.AxesImage
        The map.
    """
    plain.imshow(image, cmap="gray")
    # a paler image below leaves the colours of the map readable
    over.imshow(image, cmap="gray", alpha=0.5)
    low, high = limits
    overlay = over.imshow(activation, cmap="viridis", alpha=0.6, vmin=low, vmax=high)
    for ax, title in ((plain, titles[0]), (over, titles[1])):
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, loc="left", fontsize="medium")
    return overlay
