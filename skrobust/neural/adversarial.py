"""The network trained on adversarial rows."""

from __future__ import annotations

from functools import partial
from numbers import Real

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..utils.sklearn_private import Interval
from .net_classifier import NetClassifier
from .net_estimator import with_shared_docs


@with_shared_docs
class AdversarialNetClassifier(NetClassifier):
    r"""Network trained on rows changed against it: FGSM from a random start.

    Before every training step each row x of the batch is moved to

    .. math::

        x + \mathrm{clip}\big(\delta + a \, \mathrm{sign} \nabla_x L(x + \delta), -\epsilon,
        \epsilon\big), \qquad \delta \sim U(-\epsilon, \epsilon),

    clipped to the range of the training rows, and the step is taken there, in about twice the time.

    Parameters
    ----------
    epsilon : float, default=0.02
        Largest change of a value, as a share of the range of the training rows.
    step_size : float, default=1.25
        a above, in units of epsilon; 1.25 is the choice of the method's authors.
    module : "auto", type or torch.nn.Module, default="auto"
        The network, as for :class:`~skrobust.NetClassifier`.
    **kwargs : dict
        All other parameters of :class:`~skrobust.NetClassifier`, whose attributes it has too;
        ``augment`` and ``mixup`` come before the attack.

    Attributes
    ----------
    clip_ : tuple of float
        Smallest and largest value of the training rows.
    <shared attributes>

    References
    ----------
    E. Wong, L. Rice and J. Z. Kolter, "Fast is better than free: revisiting adversarial training",
    2020. The comparison method "AT" of "Robust influence-based training methods for noisy brain
    MRI", section 6.2, whose epsilon and step size are not legible in the text.

    Examples
    --------
    >>> from skrobust import AdversarialNetClassifier, make_mr_spectra
    >>> X, y, patient = make_mr_spectra(n_patients=8, random_state=0, return_X_y_groups=True)
    >>> clf = AdversarialNetClassifier(epsilon=0.01, max_epochs=3, random_state=0).fit(X, y)
    >>> clf.predict(X[:2]).shape
    (2,)
    """

    _parameter_constraints: dict = {
        **NetClassifier._parameter_constraints,
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "step_size": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, module="auto", *, epsilon=0.02, step_size=1.25, **kwargs):
        super().__init__(module, **kwargs)
        self.epsilon = epsilon
        self.step_size = step_size

    @classmethod
    def _get_param_names(cls):
        return sorted({*NetClassifier._get_param_names(), *super()._get_param_names()})

    def _start_net(self, X: NDArray, *args, **kwargs):
        self.clip_ = float(X.min()), float(X.max())
        return super()._start_net(X, *args, **kwargs)

    def _batch_transform(self):
        return partial(self._attack, super()._batch_transform())

    def _attack(self, before, net, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Move the rows of a batch, after other changes, against the network."""
        if before is not None:
            x, y = before(net, x, y)
        epsilon = self.epsilon * (self.clip_[1] - self.clip_[0])
        change = torch.empty_like(x).uniform_(-epsilon, epsilon)
        start = (x + change).requires_grad_()
        with net.around_step:  # the attack is on the step that follows, mixing included
            gradient = torch.autograd.grad(net.criterion_(net.infer(start), y), start)[0]
        step = self.step_size * epsilon
        change = (change + step * gradient.sign()).clamp(-epsilon, epsilon)
        return (x + change).clamp(*self.clip_), y
