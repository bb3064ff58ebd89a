"""What kolla-build does short of building, run by the Python of a Kolla environment.

    python kolla_driver.py REQUEST.json RESULT.json

It stands alone (no import of kollarm: that environment has none) and speaks to
Kolla releases from Rocky on, so it keeps to old Python and asks the release for
what moved between them.

REQUEST: {"options": {name: value or list}, "sections": {section: {key: value}},
          "environ": {name: value}, "work_dir": "/absolute/folder",
          "tree_patches": ["/absolute/file"]}
RESULT:  {"kolla_version", "distros", "known_options", "ignored_options", "working_dir",
          "templates": the folder they come from, "template_names": what they may use,
          "base_image", "base_tag", "images": [{name, published, path, parent, parent_name,
          source, plugins, additions, status, labels}]}; paths relative to working_dir.
"""

import importlib
import json
import os
import subprocess
import sys
import types

SEARCH_PATH = os.environ.get("PATH", os.defpath)


def stub_engines():
    """Kolla imports the engine's SDK and connects at once; rendering needs neither."""

    class EngineError(Exception):
        pass

    class NoEngine(object):
        def __init__(self, *args, **kwargs):
            pass

    docker = types.ModuleType("docker")
    docker.__version__ = "0"
    docker.APIClient = docker.Client = docker.DockerClient = NoEngine
    docker.errors = types.ModuleType("docker.errors")
    docker.errors.DockerException = docker.errors.APIError = docker.errors.BuildError = EngineError
    docker.utils = types.ModuleType("docker.utils")
    docker.utils.kwargs_from_env = lambda *args, **kwargs: {}
    for module in (docker, docker.errors, docker.utils):
        sys.modules[module.__name__] = module


def find(names):
    """The first of ``module:attribute`` that this release has."""
    for name in names:
        module, attribute = name.split(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError):
            continue
    raise SystemExit("this Kolla release has none of: " + ", ".join(names))


def write_config(path, options, sections):
    """An oslo.config file; a list becomes repeated lines, and ``$`` is no reference."""

    def lines(key, value):
        values = value if isinstance(value, list) else [value]
        return ["%s = %s" % (key, str(one).replace("$", "$$")) for one in values]

    text = ["[DEFAULT]"]
    for key in sorted(options):
        text += lines(key, options[key])
    for section in sorted(sections):
        text.append("[%s]" % section)
        for key in sorted(sections[section]):
            text += lines(key, sections[section][key])
    with open(path, "w") as stream:
        stream.write("\n".join(text) + "\n")


def known_options(config):
    names = set()
    for group in ("_CLI_OPTS", "_BASE_OPTS"):
        for option in getattr(config, group, ()):
            names.add(option.dest)
    return names


def record_template_names():
    """The names that this release's templates are rendered with, filled in while it renders."""
    import jinja2

    names = set()
    render = jinja2.Template.render

    def recording(self, *args, **kwargs):
        names.update(*(set(values) for values in args), set(kwargs))
        names.update(self.environment.globals)
        return render(self, *args, **kwargs)

    jinja2.Template.render = recording
    return names


def compile_once():
    """Kolla makes a new Jinja environment for each image, and each compiles macros.j2 anew.

    That is half of the rendering's time; the same source is the same code.
    """
    import jinja2

    class SharedCode(jinja2.BytecodeCache):
        def __init__(self):
            self.compiled = {}

        def load_bytecode(self, bucket):
            bucket.code = self.compiled.get(bucket.checksum)

        def dump_bytecode(self, bucket):
            self.compiled[bucket.checksum] = bucket.code

    shared = SharedCode()
    make = jinja2.Environment.__init__

    def sharing(self, *args, **kwargs):
        make(self, *args, **kwargs)
        self.bytecode_cache = shared

    jinja2.Environment.__init__ = sharing


def sandbox():
    """Overlays come from wherever their user found them: a template has no way to this process.

    What Kolla's own templates do (loops, macros, lists' methods) the sandbox allows; names with
    underscores, by which Python's internals are reached, it refuses.
    """
    import jinja2
    import jinja2.sandbox

    jinja2.Environment = jinja2.sandbox.SandboxedEnvironment


def guard_repositories(repos_yaml):
    """Kolla's function for repositories opens the file that a variable of the template names.

    A template may set that variable to any file of this machine: only the configured file and
    Kolla's own are opened.
    """
    try:
        from kolla.template import methods
    except ImportError:
        return  # a release without repositories in templates

    own = os.path.join(os.path.dirname(os.path.realpath(methods.__file__)), "repos.yaml")
    allowed = {os.path.realpath(path) for path in (repos_yaml, own) if path}

    def guarded(path, *args, **kwargs):
        if os.path.realpath(path) not in allowed:
            raise SystemExit("unsafe: a template names another list of repositories")
        return open(path, *args, **kwargs)

    methods.open = guarded


def apply_patches(patches, folder):
    """Change the copied template tree by unified diffs, before anything is rendered.

    ``git apply`` refuses a patch as a whole when a hunk doesn't fit exactly.
    """
    for patch in patches:
        environ = {"PATH": SEARCH_PATH, "GIT_CEILING_DIRECTORIES": os.path.dirname(folder)}
        process = subprocess.Popen(
            ["git", "apply", "-p1", "--whitespace=nowarn", patch],
            cwd=folder,
            env=environ,
            stderr=subprocess.PIPE,
        )
        said = process.communicate()[1].decode("utf-8", "replace")
        if process.returncode != 0:
            raise SystemExit("%s doesn't apply: %s" % (patch, said.strip().splitlines()[0]))


def main():
    with open(sys.argv[1]) as stream:
        request = json.load(stream)
    os.environ.clear()
    os.environ.update(request["environ"])
    stub_engines()

    from oslo_config import cfg

    from kolla.common import config as common_config

    sandbox()
    compile_once()
    names = record_template_names()
    worker_class = find(["kolla.image.kolla_worker:KollaWorker", "kolla.image.build:KollaWorker"])

    known = known_options(common_config)
    options = {key: value for key, value in request["options"].items() if key in known}
    options["work_dir"] = request["work_dir"]
    options["template_only"] = True
    config_file = os.path.join(request["work_dir"], "kolla-build.conf")
    write_config(config_file, options, request["sections"])

    conf = cfg.ConfigOpts()
    common_config.parse(conf, ["--config-file", config_file], prog="kolla-build")
    guard_repositories(getattr(conf, "repos_yaml", None))
    worker = worker_class(conf)
    worker.setup_working_dir()
    apply_patches(request["tree_patches"], worker.working_dir)
    worker.find_dockerfiles()
    worker.create_dockerfiles()
    if hasattr(worker, "create_patch_files"):
        worker.create_patch_files()
    worker.build_image_list()
    worker.find_parents()
    worker.filter_images()

    def status(image):
        return getattr(image.status, "value", image.status)

    def relative(path):
        return os.path.relpath(path, worker.working_dir)

    images = [
        {
            "name": image.name,
            # releases up to Xena put the distribution and the kind before the name
            "published": image.canonical_name.rsplit("/", 1)[-1].rsplit(":", 1)[0],
            "path": relative(image.path),
            "parent": image.parent.name if image.parent is not None else None,
            "parent_name": image.parent_name,
            "source": image.source or None,
            "plugins": [one for one in image.plugins if one],
            "additions": [one for one in image.additions if one],
            "status": status(image),
            # since Kolla 22
            "labels": getattr(image, "labels", {}),
        }
        for image in worker.images
    ]
    from kolla import version

    result = {
        "kolla_version": version.version_info.cached_version_string(),
        "distros": sorted(common_config.BASE_OS_DISTRO),
        "known_options": sorted(known),
        "ignored_options": sorted(set(request["options"]) - known),
        "working_dir": os.path.relpath(worker.working_dir, request["work_dir"]),
        "templates": worker.images_dir,
        "template_names": sorted(names),
        "base_image": conf.base_image,
        "base_tag": conf.base_tag,
        "images": sorted(images, key=lambda image: image["name"]),
    }
    with open(sys.argv[2], "w") as stream:
        json.dump(result, stream, indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
