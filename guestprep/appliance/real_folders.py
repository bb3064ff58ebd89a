"""Folders' paths in a guest, without links."""

from __future__ import annotations

from guestprep.appliance.client import Appliance, GuestCallError


class RealFolders:
    """Finds each folder's path without links, such as ``/usr/lib`` for ``/lib``.

    What is in a folder is asked once, and nothing of what isn't there: a package of modules has
    hundreds of folders, and each question to the appliance takes its time.
    """

    def __init__(self, appliance: Appliance):
        self._appliance = appliance
        self._known = {"": ""}
        self._kinds: dict[str, dict[str, str]] = {}
        #: Real paths of what can have nothing in it yet.
        self._bare: set[str] = set()

    def __call__(self, path: str) -> str:
        """The real path of a folder, as the guest sees it; missing parts are left as they are.

        :param path: an absolute path.
        :raises GuestCallError: a folder can't be read.
        """
        path = path.rstrip("/")
        if path not in self._known:
            above, _, name = path.rpartition("/")
            self._known[path] = self._find(self(above).rstrip("/"), name)
        return self._known[path] or "/"

    def _find(self, above: str, name: str) -> str:
        path = f"{above}/{name}"
        kind = "" if above in self._bare else self._inside(above).get(name, "")
        if kind == "d":
            return path
        if kind in ("l", "u"):  # u: the file system doesn't tell
            try:
                return str(self._appliance.call("realpath", path)).rstrip("/")
            except GuestCallError:
                pass  # a link that leads nowhere
        self._bare.add(path)
        return path

    def _inside(self, folder: str) -> dict[str, str]:
        if folder not in self._kinds:
            entries = self._appliance.call("readdir", folder or "/")
            self._kinds[folder] = {str(one["name"]): str(one["ftyp"]) for one in entries}
        return self._kinds[folder]
