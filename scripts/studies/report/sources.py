"""The literature that the methods paragraph rests on, as BibTeX."""

from __future__ import annotations

from collections.abc import Sequence

ENTRIES = {
    "cameron2011": """@article{cameron2011,
  author = {Cameron, A. Colin and Gelbach, Jonah B. and Miller, Douglas L.},
  title = {Robust Inference With Multiway Clustering},
  journal = {Journal of Business \\& Economic Statistics},
  volume = {29}, number = {2}, pages = {238--249}, year = {2011}, doi = {10.1198/jbes.2010.07136}
}""",
    "holm1979": """@article{holm1979,
  author = {Holm, Sture},
  title = {A Simple Sequentially Rejective Multiple Test Procedure},
  journal = {Scandinavian Journal of Statistics},
  volume = {6}, number = {2}, pages = {65--70}, year = {1979}
}""",
    "hsu1981": """@article{hsu1981,
  author = {Hsu, Jason C.},
  title = {Simultaneous Confidence Intervals for all Distances from the ``Best''},
  journal = {The Annals of Statistics},
  volume = {9}, number = {5}, pages = {1026--1034}, year = {1981}, doi = {10.1214/aos/1176345582}
}""",
    "schuirmann1987": """@article{schuirmann1987,
  author = {Schuirmann, Donald J.},
  title = {A comparison of the two one-sided tests procedure and the power approach for assessing the equivalence of
           average bioavailability},
  journal = {Journal of Pharmacokinetics and Biopharmaceutics},
  volume = {15}, number = {6}, pages = {657--680}, year = {1987}, doi = {10.1007/BF01068419}
}""",
    "monai2022": """@misc{monai2022,
  author = {Cardoso, M. Jorge and others},
  title = {{MONAI}: An open-source framework for deep learning in healthcare},
  year = {2022}, eprint = {2211.02701}, archivePrefix = {arXiv}
}""",
    "hossain2021": """@article{hossain2021,
  author = {Hossain, Md Sazzad and Betts, John M. and Paplinski, Andrew P.},
  title = {Dual Focal Loss to address class imbalance in semantic segmentation},
  journal = {Neurocomputing},
  volume = {462}, pages = {69--87}, year = {2021}, doi = {10.1016/j.neucom.2021.07.055}
}""",
}


def bibliography(keys: Sequence[str]) -> str:
    """The BibTeX entries of these keys, in their order."""
    return "\n\n".join(ENTRIES[key] for key in keys) + "\n"
