"""Options of darknet sections that the reader does not turn into layers.

`IGNORED` lists, by section, the options without influence on the network's output, `NEUTRAL` those
that would change it in an unsupported way, with the values that change nothing. Taken from the
parser of AlexeyAB/darknet (public domain) and the original by Joseph Redmon (public domain).
"""

from collections.abc import Mapping
from types import MappingProxyType

_ZERO = ("0",)
_ONE = ("1", "1.0", "1.")
_NEVER: tuple[str, ...] = ()

# Training, and the run time of darknet itself.
_ANY_LAYER = frozenset(
    "burnin_update clip dont_update learning_rate onlyforward stopbackward train_only_bn".split()
)
_LOADING = {"dontload": _ZERO, "dontloadscales": _ZERO}
_LOSS = frozenset("""focal_loss jitter label_smooth_eps max max_delta random resize""".split())

IGNORED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "net": frozenset(
            """B1 B2 adam adversarial_lr angle aspect attention augment_speed
            badlabels_rejection_percentage batch blur burn_in center contrastive contrastive_color
            contrastive_jit_flip cutmix decay dynamic_minibatch ema_alpha eps equidistant_point
            exposure flip gamma gaussian_noise hue label_smooth_eps learning_rate
            learning_rate_min letter_box loss_scale max_batches max_chart_loss max_crop min_crop
            mixup momentum mosaic mosaic_bound num_sigmas_reject_badlabels optimized_memory policy
            power resize_step saturation scale scales seq_scales sequential_subdivisions sgdr_cycle
            sgdr_mult show_receptive_field step steps subdivisions time_steps track try_fix_nan
            unsupervised use_cuda_graph weights_reject_freq workspace_size_limit_MB""".split()
        ),
        "convolutional": _ANY_LAYER
        | frozenset("angle assisted_excitation dot grad_centr stream wait_stream".split()),
        "maxpool": _ANY_LAYER,
        "route": _ANY_LAYER | {"stream", "wait_stream"},
        "shortcut": _ANY_LAYER,
        "upsample": _ANY_LAYER,
        "reorg": _ANY_LAYER,
        "dropout": _ANY_LAYER
        | frozenset("dropblock dropblock_size_abs dropblock_size_rel probability".split()),
        # Thresholds and suppression (`thresh`, `nms_*`, `beta_nms`) belong to the detector here.
        "yolo": _ANY_LAYER
        | _LOSS
        | frozenset(
            """beta_nms cls_normalizer counters_per_class delta_normalizer dets_for_show
            dets_for_track ignore_thresh iou_loss iou_normalizer iou_thresh iou_thresh_kind
            nms_kind nms_threshold obj_normalizer objectness_smooth show_details sim_thresh thresh
            track_ciou_norm track_history_size truth_thresh""".split()
        ),
        "region": _ANY_LAYER
        | _LOSS
        | frozenset(
            """absolute bias_match class_scale coord_scale log mask_scale noobject_scale
            object_scale rescore sqrt thresh""".split()
        ),
    }
)

NEUTRAL: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "net": {},
        "convolutional": _LOADING
        | dict.fromkeys(
            """antialiasing bin_output binary coordconv flipped reverse rotate stretch
            stretch_sway sway xnor""".split(),
            _ZERO,
        )
        | {"share_index": _NEVER},
        "maxpool": _LOADING
        | dict.fromkeys(("antialiasing", "maxpool_depth", "maxpool_zero_nonmax"), _ZERO)
        | {"out_channels": _ONE},
        "route": _LOADING,
        "shortcut": _LOADING
        | dict.fromkeys(("alpha", "beta"), _ONE)
        | dict.fromkeys(("weights_normalization", "weights_type"), ("none",)),
        "upsample": _LOADING | {"scale": _ONE},
        "reorg": _LOADING | dict.fromkeys(("extra", "flatten", "reverse"), _ZERO),
        "dropout": _LOADING,
        "yolo": _LOADING | {"embedding_layer": _NEVER, "map": _NEVER},
        # classfix = -1 suppresses classes at run time; 0 and 1 act in training only.
        "region": _LOADING
        | {"background": _ZERO, "classfix": ("0", "1"), "map": _NEVER, "tree": _NEVER},
    }
)
