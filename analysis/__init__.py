"""Statistics on tables of codes: numpy in, frozen results out; imports neither torch nor latentgan.

Every function takes arrays (or a callable `decode`) and returns a frozen dataclass of arrays, its options are keywords,
and every figure comes with its baselines: n, a 95 % interval, raw pixels, PCA of equal width, the same network
untrained, shuffled labels. Names are resolved on first use (PEP 562): importing the package costs nothing.

tables        Embeddings of a Parquet file; independent_rows, one of each group; `load` and `save` of results
probes        linear_probe; few_labels, and whole curves: label_efficiency_curve, number_efficiency, labels_needed;
              nearest; accuracy_under_attack by fgsm and pgd of any classifier with a gradient, of a linear_target
concepts      concept_vector for one, concept_table for many, with decode_edits; find_directions, orthogonalise and
              conditional_directions; first_layer_directions
edits         verify_edits by any evaluator; verify_concepts of held-out images; edit_directions lists what a table can
              be moved along, select_directions finds some of them by name
paths         lerp, slerp, norm_preserving, geodesic_path; path decodes one
mixtures      fit_mixture; fit_class_mixtures, by_class scores them; outlier_scores
shape         shape_of, rank_me, spectral_decay, disentangle, compare_with_prior, two_sample, latent_map,
              reconstruction_error
other models  similarities, transfers; ranked_models of runs side by side, and best_by_metric where one is ahead
samples       compare_samples, frechet_distance, kernel_distance; copying, count_modes; inception_score,
              modified_inception_score
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
