"""One function a command: what it answers, how to read it, an example. Options in, a job out, no arithmetic."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .app import Blocks, Group, analyze_table, report_back, run_of, write_report
from .cli.console import note
from .cli.job import _Job, command_line, find_model
from .cli.options import (
    PANEL,
    Code,
    EncodeRuns,
    Full,
    Json,
    Label,
    LoadModel,
    LoadNetworks,
    Out,
    Rows,
    Run,
    Seed,
    Split,
    Table,
)
from .errors import AnalysisError

if TYPE_CHECKING:
    from .runner import Study


ROWS = 10_000

FewLabels = Annotated[
    list[int] | None,
    typer.Option(
        "--few",
        min=1,
        help="Labels a class, or rows labelled with a number; may be repeated. Default 1 2 5 10 … and all.",
    ),
]


Neighbours = Annotated[int, typer.Option("-k", min=1, max=10_000, help="Neighbours of the k-NN probe.")]


ProtocolName = Annotated[
    str | None, typer.Option("--protocol", help="Read as a paper does; see below.", show_default=False)
]


SaveProbe = Annotated[
    Path | None, typer.Option("--save", help="Keep a fitted logistic probe in this .npz.", show_default=False)
]


Draws = Annotated[int, typer.Option(min=2, max=10_000, help="Draws of each number of labels; large draws are fewer.")]


Networks = Annotated[
    int,
    typer.Option(
        "--networks", min=0, max=1_000, help="Also teach networks so many draws of each number of labels; 0 is none."
    ),
]


Permutations = Annotated[int, typer.Option(min=19, max=1_000_000, help="Label shuffles behind each p-value.")]


Keep = Annotated[
    list[str] | None,
    typer.Option("--keep", help="Concept, or column, that directions of the others keep; may be repeated."),
]


KeepBy = Annotated[
    Literal["regression", "projection"],
    typer.Option(
        "--keep-by",
        help="regression: codes are regressed on a concept and the kept ones together, so that an edit leaves these "
        "where they are also where they go together in the rows. projection: the kept ones' directions are taken out; "
        "where concepts go together an edit then moves the kept ones backwards.",
    ),
]


Components = Annotated[
    list[int] | None,
    typer.Option(
        "--components",
        min=1,
        max=10_000,
        help="Number to try; may be repeated. Default 1 2 4 8 16 32, then around the best.",
    ),
]


Method = Annotated[list[str] | None, typer.Option("--method", help="umap or pca; may be repeated. Default both.")]


Maps = Annotated[
    list[str] | None, typer.Option("--map", help="Maps to make, umap or pca; may be repeated. Default both.")
]


MapRows = Annotated[int, typer.Option("--rows", min=50, help="Rows on the map, at most.")]


def add_commands(
    app: typer.Typer,
    load_model: LoadModel | None,
    load_networks: LoadNetworks | None = None,
    encode_runs: EncodeRuns | None = None,
) -> None:
    """Add every command to `app`; what is None cannot be done: decode, train a network, encode images."""
    from .commands_compare import CompareCommand
    from .commands_decoded import DecodedCommands
    from .commands_more import disentanglement, fidelity, geometry

    found, decoded = Commands(load_model, load_networks), DecodedCommands(load_model)
    beside = CompareCommand(load_model, encode_runs)
    for function in (
        found.probe,
        found.efficiency,
        found.neighbours,
        found.concepts,
        decoded.interpolate,
        found.mixture,
        geometry,
        decoded.prior,
        found.map,
        decoded.reconstruction,
        decoded.codes,
        disentanglement,
        beside.compare,
        fidelity,
        found.analyze,
        found.report,
    ):
        app.command(name=function.__name__, help=unwrap(function.__doc__ or ""), rich_help_panel=PANEL)(function)


def unwrap(text: str) -> str:
    """Join the lines of each paragraph, which typer would break where the source does; examples stay."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(p if p.startswith("    ") else " ".join(p.split()) for p in paragraphs)


class Commands:
    """The commands, knowing how a model is loaded, and networks to teach."""

    def __init__(self, load_model: LoadModel | None, load_networks: LoadNetworks | None = None) -> None:
        self.load_model, self.load_networks = load_model, load_networks

    def probe(
        self,
        table: Table,
        out: Out = None,
        protocol: ProtocolName = None,
        save: SaveProbe = None,
        k: Neighbours = 1,
        rows: Rows = ROWS,
        full: Full = False,
        seed: Seed = 0,
        code: Code = None,
        label: Label = "label",
        split: Split = "split",
        group: Group = None,
        blocks: Blocks = None,
        as_json: Json = False,
    ) -> None:
        """How much of the labels and attributes a simple reader finds in the codes.

        Linear probes (logistic, L2-SVM), k-NN, and ridge regression for numbers, trained on train rows and
        scored on test rows. Compare each figure with the dim lines below it: raw pixels, a PCA of equal
        width, the same network untrained. Only what lies above them was learned. Features rarely differ with
        all labels; `efficiency` asks with few.

            latentgan probe codes.parquet --out results

        --protocol reads as a paper does: bigan-1nn, dcgan-svm-4x4 (every convolution of the discriminator pooled to
        4×4, L2-SVM, ten balanced draws of 1,000 labels), ali-svm-last4, linear, knn (also weighted by cosine).

            latentgan probe codes.parquet --protocol dcgan-svm-4x4

        --save keeps one fitted logistic probe, of the code or of the column that --code names, and does only that;
        `classify` names images with it.

            latentgan probe codes.parquet --code discriminator.dense1 --save probe.npz
        """
        job = _Job("probes", table, out, as_json, rows, full, seed, code, label, split, group=group, blocks=blocks)
        if save is None:
            return job.run(None, decodes=False, neighbours=k, protocol=protocol or "")
        if protocol or out:
            raise AnalysisError("--save fits one logistic probe and nothing else: leave out --protocol and --out")
        from .probes.saved_probe import fit_probe

        fitted = fit_probe(job.open(table), job.options())
        written, right = fitted.save(save), fitted.accuracy
        note(f"{fitted.column}: {right.percent()} of {right.n:,} test rows right; wrote {written}")
        return None

    def efficiency(
        self,
        table: Table,
        out: Out = None,
        few: FewLabels = None,
        draws: Draws = 20,
        networks: Networks = 0,
        rows: Rows = ROWS,
        full: Full = False,
        seed: Seed = 0,
        code: Code = None,
        label: Label = "label",
        split: Split = "split",
        group: Group = None,
        blocks: Blocks = None,
        as_json: Json = False,
    ) -> None:
        """How many labels a representation saves: accuracy against labels a class, from one to all.

        A logistic probe reads the code and every feature layer from the same draws of labels, beside raw pixels,
        a PCA of equal width, the untrained network and shuffled labels. Below the curve stands how many labels a
        class a yardstick needs for what the representation gives with 10. A paired difference whose interval
        does not contain 0 is evidence.

        Numeric attributes follow, and a --label of numbers comes first: R² of ridge regression against labelled rows,
        10, 20, 50 … all, beside predicting the labels' mean, whose R² is about 0.

        --networks 3 teaches networks as wide as the model's own the first three draws of each size and nothing else,
        which is what the labels give without it: of images as they are, behind small affine maps, and with the model's
        images beside them, asked for by class where it can be, else named by a network; numbers are read from images as
        they are. Minutes, not seconds. A model that was told labels helps no draw of fewer.

            latentgan efficiency codes.parquet --out results

            latentgan efficiency codes.parquet --few 10 --draws 50

            latentgan efficiency codes.parquet --label thickness

            latentgan efficiency codes.parquet --few 10 --networks 3
        """
        job = _Job(
            "label_efficiency", table, out, as_json, rows, full, seed, code, label, split, group=group, blocks=blocks
        )
        study = self._with_networks(job) if networks else None
        job.run(None, decodes=False, study=study, per_class=tuple(few) if few else None, draws=draws, networks=networks)

    def _with_networks(self, job: _Job) -> Study:
        """The study of label efficiency with the networks that the table's model and classes allow."""
        from functools import partial

        from .label_efficiency.study import study as study_efficiency

        if self.load_networks is None:
            raise AnalysisError("python -m analysis trains no networks: use latentgan, which does, for --networks")
        table = job.open(job.table)
        classes = table.column().categories if table.labelled else ()
        model = find_model(table, None, self.load_model, of_codes=False)
        return partial(
            study_efficiency, networks=self.load_networks(model, classes, told=table.labels_told, seed=job.seed)
        )

    def neighbours(
        self,
        table: Table,
        out: Out = None,
        rows: Rows = ROWS,
        full: Full = False,
        seed: Seed = 0,
        code: Code = None,
        label: Label = "label",
        split: Split = "split",
        group: Group = None,
        blocks: Blocks = None,
        as_json: Json = False,
    ) -> None:
        """What the codes consider similar: the nearest train images of test images.

        The share of neighbours with the same label, beside pixels and the untrained network; with --out the
        pictures go into the report.

            latentgan neighbours codes.parquet
        """
        _Job("neighbours", table, out, as_json, rows, full, seed, code, label, split, group=group, blocks=blocks).run(
            None, decodes=False
        )

    def concepts(
        self,
        table: Table,
        out: Out = None,
        model: Run = None,
        keep: Keep = None,
        keep_by: KeepBy = "regression",
        permutations: Permutations = 999,
        rows: Rows = ROWS,
        full: Full = False,
        seed: Seed = 0,
        code: Code = None,
        label: Label = "label",
        split: Split = "split",
        group: Group = None,
        blocks: Blocks = None,
        as_json: Json = False,
    ) -> None:
        """Directions in the code along which a label or attribute changes, with the evidence for and against.

        AUC is how well the position along a direction ranks test rows that have the concept above those that have not
        (0.5 is chance); of a number R² tells how much of it the position tells (0 is its mean). p is how rarely test
        rows are told as well by chance: Mann and Whitney's test of an AUC, shuffled test rows of R² (where no shuffle
        does as well, Spearman's test). q is p after Benjamini–Hochberg over all concepts, each by the method that train
        rows chose. `found again` is the cosine of a direction found on a resample with that of the rows left out (1
        always the same, 0 nothing there), `other methods` the mean cosine with what they find: mean difference, LDA,
        logistic, SVM, and ridge for numbers. With a model, images edited along each are decoded too.

            latentgan concepts codes.parquet --out results

        --keep finds directions of all others that keep a concept, see --keep-by, each with its evidence among rows
        alike in that concept, and says how far an edit moves both; they are called "bold, keeping label", and `edit`
        takes that name. How concepts go together in the rows is shown too.

            latentgan concepts codes.parquet --keep label --out results

        Directions that no label told follow: pca1, pca2, … the principal components of the codes (GANSpace), and with a
        model sefa1, sefa2, … what the first layer that reads them stretches most (SeFa). `edit` and `verify` take these
        names too.
        """
        job = _Job(
            "concepts", table, out, as_json, rows, full, seed, code, label, split, model, group=group, blocks=blocks
        )
        job.run(self.load_model, permutations=permutations, keep=tuple(keep or ()), keep_by=keep_by)

    def mixture(
        self,
        table: Table,
        out: Out = None,
        model: Run = None,
        components: Components = None,
        rows: Rows = ROWS,
        full: Full = False,
        seed: Seed = 0,
        code: Code = None,
        label: Label = "label",
        split: Split = "split",
        group: Group = None,
        blocks: Blocks = None,
        as_json: Json = False,
    ) -> None:
        """The Gaussian mixture that fits the codes best, the groups that it shows, and whether they are the labels.

        Gaussian mixtures of several sizes; the least BIC wins. Its components are parts of a density, and groups
        only where rows that it was not fitted to show a valley between them. NMI, adjusted Rand index and purity
        compare components with labels: read them against the shuffled labels' column (many components are pure by
        chance) and against as many of raw pixels and of the untrained network's codes. New images of a
        component, or of a class, are drawn by `latentgan sample RUN --results results`.

            latentgan mixture codes.parquet --components 10 --components 20 --out results
        """
        job = _Job(
            "mixtures", table, out, as_json, rows, full, seed, code, label, split, model, group=group, blocks=blocks
        )
        job.run(self.load_model, components=tuple(components or ()))

    def map(
        self,
        table: Table,
        out: Out = None,
        method: Method = None,
        rows: MapRows = 5000,
        full: Full = False,
        seed: Seed = 0,
        code: Code = None,
        label: Label = "label",
        split: Split = "split",
        group: Group = None,
        blocks: Blocks = None,
        as_json: Json = False,
    ) -> None:
        """A picture of the codes in two dimensions, and how far it can be trusted.

        Trustworthiness is 1 where neighbours on the map are neighbours in the code, and about 0.5 for a
        shuffled map. 1-NN accuracy on the map beside that in the whole code says what flattening has lost.
        The same seed gives the same map. --rows takes held-out rows; --full places every row of every split, so that
        the report shows all of them.

            latentgan map codes.parquet --method umap --out results

            latentgan map codes.parquet --full --out results
        """
        job = _Job("projection", table, out, as_json, ROWS, False, seed, code, label, split, group=group, blocks=blocks)
        job.run(None, decodes=False, map_rows=None if full else rows, maps=tuple(method or ("umap", "pca")))

    def analyze(
        self,
        table: Table,
        out: Annotated[Path, typer.Option("--out", "-o", help="Results folder.")] = Path("results"),
        model: Run = None,
        maps: Maps = None,
        rows: Rows = ROWS,
        full: Full = False,
        seed: Seed = 0,
        code: Code = None,
        label: Label = "label",
        split: Split = "split",
        group: Group = None,
        blocks: Blocks = None,
        as_json: Json = False,
    ) -> None:
        """Every analysis of a table, each saved as soon as it is done.

        What cannot be done (no labels, no split, no model) is said, and the rest goes on. Afterwards
        `report` makes one HTML file of the results.

            latentgan analyze codes.parquet --out results
            latentgan report results --out report.html
        """
        from .table.dependence import dependence_warnings

        job = _Job("", table, out, as_json, rows, full, seed, code, label, split, model, group=group, blocks=blocks)
        opened = job.open(table)
        found = analyze_table(
            table,
            out,
            model=find_model(opened, model, self.load_model),
            command=command_line(),
            options=job.options(maps=tuple(maps or ("umap", "pca"))),
            code=code,
            label=label,
            split=split,
            group=group,
            blocks=blocks,
        )
        report_back(found, out, as_json, dependence_warnings(opened))

    def report(
        self,
        results: Annotated[Path, typer.Argument(help="Results folder.", show_default=False)] = Path("results"),
        out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.")] = Path("report.html"),
        run: Annotated[
            Path | None, typer.Option("--run", help="Run folder, for curves, samples, warnings.", show_default=False)
        ] = None,
    ) -> None:
        """One interactive HTML file of a results folder; it asks nobody for anything.

        latentgan report results --run runs/mnist --out report.html
        """
        typer.echo(write_report(results, out, run=run or run_of(results)))
