"""Commands that edit images along concepts and other directions, and that verify what such edits do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from analysis.cli.console import note
from latentgan.cli.options import (
    Attributes,
    Boolean,
    Crop,
    Data,
    Device,
    FamilyOption,
    Label,
    Mirror,
    Run,
    command_line,
)
from latentgan.errors import ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np

    from analysis.concepts.concept_table import ConceptTable
    from analysis.editing.evaluators import ImageMeasures
    from analysis.editing.preserved_directions import PreservingDirections
    from analysis.editing.verification import EditDirection
    from latentgan.data.source import ImageSource


PANEL = "Use a model"


FAR = 10.0
"""Standard deviations along a concept, beyond which an edit is far from all images."""


MAX_TEST_IMAGES = 5_000
"""Real test images on which the attribute classifier is evaluated."""


MAX_IMAGE_BYTES = 1 << 28
"""Bytes of these images."""


MAX_CONCEPTS = 24


Results = Annotated[Path, typer.Option(help="Results folder with the concepts.", show_default=False)]


Preserve = Annotated[
    list[str] | None,
    typer.Option(
        help="Concept or direction that the edit leaves unchanged, or a column for all of its concepts; may be "
        "repeated.",
        show_default=False,
    ),
]


PreserveBy = Annotated[
    Literal["regression", "projection"],
    typer.Option(
        help="How others are preserved. regression: codes are regressed on the concept and the preserved ones "
        "together, so that an edit leaves these unchanged even where they are correlated with it in the rows. "
        "projection: the directions of the preserved concepts are projected out of the concept's, so that positions "
        "along them stay; where concepts are correlated, the edit then moves the preserved ones backwards.",
    ),
]


Seed = Annotated[
    int,
    typer.Option(min=0, max=2**63 - 1, help="Of images, random directions and the attribute classifier's training."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (edit, verify):
        app.command(rich_help_panel=PANEL)(command)


def edit(
    run: Run,
    images: Annotated[list[Path], typer.Argument(help="Image files to edit.", show_default=False)],
    concept: Annotated[
        list[str],
        typer.Option(
            help="Name of a concept or direction, as `latentgan concepts` prints it: smiling, 'label: 3', pca1, sefa2; "
            "or NAME=STRENGTH. May be repeated.",
            show_default=False,
        ),
    ],
    results: Results,
    strength: Annotated[
        list[float] | None,
        typer.Option(
            help="How far, in standard deviations of codes along it, or as a factor of what NAME=STRENGTH says; may be "
            "repeated. Default -3 -1.5 0 1.5 3, or 0 0.25 0.5 0.75 1 where a strength is named.",
            show_default=False,
        ),
    ] = None,
    preserve: Preserve = None,
    preserve_by: PreserveBy = "regression",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the edited images.")] = Path("edits"),
    crop: Crop = False,
    device: Device = "auto",
    family: FamilyOption = None,
) -> None:
    """Edit image files along one concept or several at once: encode, move along their directions, decode.

    Says how well the direction that is edited along predicts its concept on test rows, and warns where it does not.
    Writes one PNG an image and strength, and a strip an image, its frames enlarged where they are small. Strength 0 is
    the plain reconstruction. With --preserve the edit leaves other concepts unchanged, see --preserve-by; `verify`
    measures whether the images agree.

        latentgan edit runs/faces me.png --concept smiling --strength 2 --results results

        latentgan edit runs/faces me.png --concept smiling=2 --concept age=-1 --preserve glasses --results results

    Directions that were found without labels have names too: pca1 is the first principal component of the codes
    (GANSpace), sefa1 the direction that the first layer of the generator stretches most (SeFa).

        latentgan edit runs/faces me.png --concept pca1 --preserve smiling --results results
    """
    import numpy as np

    from analysis.editing.select_directions import select_with_strength
    from analysis.editing.study import edit_directions
    from latentgan.inference import stages

    table = _concepts(run, results)
    directions = edit_directions(table)
    names = [direction.name for direction in directions]
    chosen = [select_with_strength(directions, text) for text in concept]
    if len({position for position, _ in chosen}) < len(chosen):
        raise ConfigError("each concept can be edited once; add the strengths of one that is named twice")
    edited = _preserving(
        table, directions, [position for position, _ in chosen], preserve or [], preserve_by
    ).directions
    for direction in edited:
        _say_evidence(direction, results)
    weights = [1.0 if weight is None else weight for _, weight in chosen]
    has_strengths = any(weight is not None for _, weight in chosen)
    parts = [
        names[i] + (f"{weight:+g}" if has_strengths else "") for (i, _), weight in zip(chosen, weights, strict=True)
    ]
    strengths = strength or ([0.0, 0.25, 0.5, 0.75, 1.0] if has_strengths else [-3.0, -1.5, 0.0, 1.5, 3.0])
    farthest = max(map(abs, strengths), default=0.0) * max(map(abs, weights))
    if FAR < farthest < float("inf"):
        note(
            f"{farthest:g} standard deviations from an image there are no real images: what is decoded there says "
            "nothing about them"
        )
    written = stages.edit(
        run,
        images,
        direction=np.sum([w * edit.length * edit.vector for w, edit in zip(weights, edited, strict=True)], axis=0),
        name="_".join([*parts, *(f"preserve-{name}" for name in preserve or [])]),
        strengths=strengths,
        out=out,
        crop=crop,
        device=device,
        family=family,
        inputs=[results],
    )
    note(f"wrote {len(written)} files to {out}: edited images, and each image's strip over all strengths")


def verify(
    run: Run,
    results: Results,
    concept: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this concept or direction (pca1, sefa2), or a column, pca or sefa for all of it; may be "
            "repeated. Default: all concepts that are not preserved, 24 at most.",
            show_default=False,
        ),
    ] = None,
    preserve: Preserve = None,
    preserve_by: PreserveBy = "regression",
    images: Annotated[int, typer.Option(min=10, help="Held-out images to edit.")] = 100,
    draws: Annotated[
        int,
        typer.Option(
            min=2, max=10_000, help="Random directions for each concept, and as many of shuffled labels, up to 40."
        ),
    ] = 20,
    seed: Seed = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data: Data = None,
    device: Device = "auto",
    family: FamilyOption = None,
    attributes: Attributes = None,
    label: Label = None,
    boolean: Boolean = None,
    mirror: Mirror = None,
) -> None:
    """Verify edits: move held-out images along every concept, decode, and score the result independently of the model.

    Scores come from an attribute classifier, a small network trained on real images only, to which no direction was
    fitted (seconds; it stays in RESULTS for the next time), and for images of one object on a plain ground from their
    measured thickness, slant, width and height. Each concept gets its response curve, the rank correlation of edit
    strength and score, a success rate, and what else changes: other scores (leakage), the predicted class, the pixels.
    The baselines are random directions of equal length, and directions of shuffled labels, which give p, corrected for
    the number of concepts. A concept that is not significant itself, or whose score fails on real images, is never
    verified. The result joins RESULTS, and the report shows it.

        latentgan verify runs/mnist --results results

        latentgan verify runs/mnist --results results --concept thickness --preserve label

    A direction that was found without labels, such as pca1, is scored by the concept that it predicts best on train
    rows.

        latentgan verify runs/mnist --results results --concept pca --concept sefa

    Give --attributes, --label and --boolean as to `encode`, so that the attribute classifier can learn these columns.

        latentgan verify runs/faces --results results --attributes faces.csv
    """
    from analysis.cli.job import print_result
    from analysis.io.writing import forgetting
    from analysis.results import check_results, save

    check_results(results, ["editing"])
    outcome = _concepts(run, results)
    with forgetting(results, "attribute_classifier.*"):
        result = _verified(
            run,
            results,
            outcome,
            only=list(dict.fromkeys(concept or [])),
            preserve=preserve or [],
            by=preserve_by,
            images=images,
            draws=draws,
            seed=seed,
            data=data,
            options={"attributes": attributes, "label": label, "boolean": boolean, "mirror": mirror},
            device=device,
            family=family,
        )
        save(result, results, command=command_line())
    print_result("editing", result, json_)
    note(f"results: {results}   next: latentgan report {results}")


def _say_evidence(direction: EditDirection, results: Path) -> None:
    """Say how well the direction that is edited along predicts its concept, and warn where it does not."""
    from latentgan.console import say

    if direction.evidence:
        say(f"{direction.name}: {direction.evidence}, on test rows")
    if not direction.significant:
        target = repr(direction.target) if direction.target and direction.target != direction.name else "it"
        say(
            f"warning: {direction.name!r} is not significant: nothing shows that it predicts {target} better than "
            f"chance, so edits along it may change anything; `latentgan report {results}` shows the evidence"
        )


def _concepts(run: Path, results: Path) -> ConceptTable:
    """Return the concepts of a results folder that is about the model of `run`."""
    from analysis.results import load
    from latentgan.inference.provenance import same_model

    loaded = load(results)
    if (result := loaded.get("concepts")) is None:
        raise ConfigError(f"{results} holds no concepts; run `latentgan concepts TABLE --out {results}` first")
    same_model(run, loaded.get("overview"), results)
    table: ConceptTable = result
    return table


def _preserving(
    table: ConceptTable,
    directions: Sequence[EditDirection],
    chosen: Sequence[int],
    preserve: Sequence[str],
    by: str,
    draws: int = 0,
) -> PreservingDirections:
    """Return the chosen directions such that they preserve others.

    Raises:
        ConfigError: a concept is to be both edited and preserved, by its name or by its column's.
    """
    from analysis.editing.preserved_directions import preserve_directions
    from analysis.editing.select_directions import select_directions
    from analysis.editing.study import namesakes
    from latentgan.console import say

    if both := _both(directions, chosen, preserve):
        raise ConfigError(f"{directions[both[0]].name!r} cannot be both edited and preserved: leave one of the two out")
    result = preserve_directions(table, directions, chosen, select_directions(directions, preserve), by=by, draws=draws)
    for line in (*namesakes(directions, [*(directions[i].name for i in chosen), *preserve]), *result.notes):
        say(f"note: {line}")
    return result


def _both(directions: Sequence[EditDirection], chosen: Sequence[int], preserve: Sequence[str]) -> list[int]:
    """Return which of the chosen directions are themselves to be preserved, alone or with all of their column."""
    from analysis.editing.select_directions import select_directions

    preserved = select_directions(directions, preserve)
    return [i for i in chosen if i in preserved]


def _to_verify(
    directions: Sequence[EditDirection], only: Sequence[str], preserve: Sequence[str], concepts: int
) -> list[int]:
    """Return the positions of the directions to verify: those named in `only`, else all concepts not preserved.

    Raises:
        ConfigError: every concept is preserved.
    """
    from analysis.editing.select_directions import select_directions

    if only:
        return select_directions(directions, only)
    names = [direction.name for direction in directions[:concepts]]
    candidates = [names.index(name) for name in dict.fromkeys(names)]
    preserved = _both(directions, candidates, preserve)
    if len(preserved) == len(candidates):
        raise ConfigError("every concept is preserved, so that there is none to edit along")
    return [i for i in candidates if i not in preserved]


def _verified(
    run: Path,
    results: Path,
    concepts: ConceptTable,
    *,
    only: Sequence[str],
    preserve: Sequence[str],
    by: str,
    images: int,
    draws: int,
    seed: int,
    data: str | None,
    options: dict[str, Any],
    device: str,
    family: str | None,
) -> Any:
    """Load model and images, train the attribute classifier, and verify the concepts."""
    import numpy as np

    from analysis.editing.evaluators import suitable_measures
    from analysis.editing.study import HeldOut, edit_directions, verify_concepts
    from latentgan.console import bar
    from latentgan.evaluation.three_way_split import MIN_EDITED_IMAGES, edited_and_classifier_rows
    from latentgan.inference.encode import fitting_images
    from latentgan.inference.image_files import load_images
    from latentgan.inference.numpy_model import NumpyModel

    model = NumpyModel.load(run, device=device, family=family)
    source = fitting_images(run, model, load_images(model.about.get("data", {}), data, options))
    rng = np.random.default_rng([seed, *b"verification"])
    most = min(MAX_TEST_IMAGES, MAX_IMAGE_BYTES // source.images[:1].nbytes)
    fitted = _fitted(results, source, concepts)
    has_groups = fitted is not None and concepts.joint is not None and concepts.joint.groups.size
    groups = concepts.joint.groups if has_groups and concepts.joint is not None else source.groups
    rows, learned = edited_and_classifier_rows(source, fitted, edited=images, most=most, rng=rng, groups=groups)
    if len(rows) < MIN_EDITED_IMAGES:
        raise DataError(
            f"{source.name} has {len(rows)} test images, of which {MIN_EDITED_IMAGES} are needed to verify edits"
        )
    all_directions = edit_directions(concepts)
    chosen = _to_verify(all_directions, only, preserve, len(concepts.concepts))
    preserving = _preserving(concepts, all_directions, chosen[:MAX_CONCEPTS], preserve, by, draws)
    directions, shuffled = preserving.directions, preserving.shuffled
    if shuffled is None or not shuffled.shape[1]:
        raise ConfigError(
            f"{results} lacks the rows that its directions were fitted to, or directions of shuffled labels: run "
            f"`latentgan concepts TABLE --out {results}` again"
        )
    pictures = np.asarray(source.images[rows])
    measures = suitable_measures(pictures)
    classifier, truths = _attribute_classifier(
        results, source, rows, learned, measures, measures(pictures), str(model.device)
    )
    notes = [f"{', '.join(map(repr, preserve))} preserved by {by}", *preserving.notes] if preserve else []
    notes += [f"only the first {MAX_CONCEPTS} of {len(chosen)} concepts"] if len(chosen) > MAX_CONCEPTS else []
    if not all(part.encoded for part in model.family.prior.parts):
        notes.append("parts of the code that the encoder does not give are as it encodes an unknown value")
    remaining = "that no direction was fitted to and that are not edited"
    notes.append(
        f"the attribute classifier was trained on {len(learned):,} images {remaining}"
        if classifier is not None
        else f"no attribute classifier: no column can be learned from the {len(learned):,} images {remaining}"
    )
    with bar("verify edits", len(directions) * (1 + draws + shuffled.shape[1])) as advance:
        result = verify_concepts(
            directions,
            model,
            HeldOut(pictures, source.labels[rows], truths),
            measures,
            classifier,
            rng=rng,
            edited=images,
            draws=draws,
            mask=(concepts.directions != 0).any(0),
            shuffled=shuffled,
            notes=notes,
            advance=advance,
        )
    return replace(result, left_out=len(chosen) - len(directions))


def _fitted(results: Path, source: ImageSource, concepts: ConceptTable) -> np.ndarray | None:
    """Return the rows of the images that directions were fitted to; None where the table's images were others.

    Where labels or splits are others than the table's, train rows count among them too.
    """
    import numpy as np

    from analysis.io.reading import table_metadata
    from analysis.results import load_one

    if concepts.joint is None or not (results / "overview.json").is_file():
        return None
    overview = load_one(results, "overview")
    if overview.n != len(source):
        return None
    same = table_metadata(overview.metadata, overview.table).get("fingerprint") == source.fingerprint
    return concepts.joint.fitted if same else np.union1d(concepts.joint.fitted, source.rows("train"))


def _attribute_classifier(
    results: Path,
    source: ImageSource,
    rows: np.ndarray,
    learned: np.ndarray,
    measures: ImageMeasures,
    values: np.ndarray,
    device: str,
) -> tuple[Any, np.ndarray]:
    """Return the classifier of the attributes that cannot be measured, and their true values (n, m) in images.

    The classifier is None where there is no such attribute.
    """
    import numpy as np

    from analysis.editing.evaluators import measured_columns
    from latentgan.console import say
    from latentgan.evaluation.attribute_classifier import find_heads, open_attribute_classifier
    from latentgan.inference.table_writer import attribute_columns

    heads = find_heads(source, attribute_columns(source, ()), learned)
    numbers = {head.column: head.truth(source, name, rows) for head, name in heads if head.kind == "numeric"}
    same = measured_columns(values, measures.names, numbers)
    heads = [(head, name) for head, name in heads if head.column not in same]
    if not heads:
        return None, np.zeros((len(rows), 0))
    classifier, trained = open_attribute_classifier(results, source, heads, rows=learned, device=device)
    say(
        "an attribute classifier was trained on real images"
        if trained
        else f"the attribute classifier in {results} is used again"
    )
    return classifier, np.hstack([head.truths(source, name, rows) for head, name in heads])
