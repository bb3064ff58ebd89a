"""The versions of Python packages that images are built with: upper-constraints.txt.

Kolla's Dockerfiles call pip with a list of one version for each package. A package that is missing
from it is searched for by trying versions, one download after another, which may take hours.
"""
