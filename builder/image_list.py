"""The images that a configuration comes to, known from its release and overlays alone."""

from __future__ import annotations

from dataclasses import dataclass

from builder import pipeline
from builder.request import BuildRequest
from core.config.model import Architecture
from core.tables import table
from core.text_output import joined_lines


@dataclass(frozen=True)
class ListedImage:
    """An image, with everything that it is built for."""

    name: str
    parent: str | None
    """The image that it starts from; None for the first one."""
    repository: str
    """In the registry."""
    architectures: tuple[Architecture, ...]


@dataclass(frozen=True)
class ImageList:
    """The images of a configuration, each after its parent."""

    release: str
    images: tuple[ListedImage, ...]
    left_out: tuple[str, ...]
    """A sentence for each image that the release can't build on an architecture."""

    def to_dict(self) -> dict[str, object]:
        return {
            "release": self.release,
            "images": [
                {**vars(image), "architectures": [one.value for one in image.architectures]}
                for image in self.images
            ],
            "left_out": list(self.left_out),
        }

    def to_text(self) -> str:
        rows = [
            [image.name, ", ".join(image.architectures), image.parent or "", image.repository]
            for image in self.images
        ]
        columns = ["image", "architectures", "parent", "repository"]
        listed = table(f"Images of {self.release}", columns, rows)
        left_out = joined_lines(f"left out: {line}" for line in self.left_out)
        return f"{listed}\n{left_out}" if left_out else listed


def list_images(request: BuildRequest) -> ImageList:
    """The images of a request, and their parents; needs neither engines nor the registry.

    :raises ConfigError: the configuration or an overlay is wrong.
    :raises KollarmError: the templates don't render.
    """
    trees, selected, left_out = pipeline.selected_images(request)
    namespace, found = request.config.build.namespace, dict[str, ListedImage]()
    for architecture, names in selected.items():
        for name in names:
            image = trees[architecture].images[name]
            before = found[name].architectures if name in found else ()
            found[name] = ListedImage(
                name,
                image.parent,
                f"{namespace}/{image.published}",
                (*before, architecture),
            )
    return ImageList(request.config.release, tuple(found.values()), tuple(left_out))
