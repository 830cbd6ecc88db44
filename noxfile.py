"""The tests with the lowest declared version of every dependency, and with the newest.

``nox`` runs both sessions, ``nox -s oldest`` one; what follows ``--`` goes to pytest.
"""

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "venv"

# named so that pip does not choose another build
TORCH = "torch==2.13.0"
ENV = {"OMP_NUM_THREADS": "1"}


def run_tests(session, *install):
    """Install with the arguments given, show what that is, and run pytest."""
    session.install(TORCH, "-e", ".[test]", *install)
    session.run("python", "-m", "pip", "freeze", "--exclude-editable")
    session.run("python", "-m", "pytest", *session.posargs, env=ENV)


@nox.session(python="3.11")
def oldest(session):
    """Run with the lowest versions in setup.cfg."""
    run_tests(session, "--constraint", "oldest.txt")


@nox.session
def newest(session):
    """Run with the newest versions that there are."""
    run_tests(session)
