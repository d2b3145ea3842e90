"""Arrow columns from and to plain values, and that linkage opens neither pandas nor scipy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from kinbridge.linkage.clustering import components
from kinbridge.linkage.columnar import numbers, numbers_of, texts


def test_numbers_come_back_through_pieces_and_slices() -> None:
    whole: np.ndarray = np.arange(10, dtype=np.int64)
    column = pa.chunked_array([numbers(whole[:4]), numbers(whole).slice(4, 6)])
    assert numbers_of(column).tolist() == whole.tolist()
    assert numbers_of(pa.chunked_array([numbers(np.array([0.5, -1.0]))])).tolist() == [0.5, -1.0]


def test_numbers_of_nothing_are_none() -> None:
    assert numbers_of(pa.chunked_array([], type=pa.int64())).tolist() == []


def test_texts_keep_accents_and_empty_values() -> None:
    given = ["Zoë", "", "a,b"]
    assert texts(given).to_pylist() == given
    assert texts([]).to_pylist() == []


def test_components_follow_a_chain_to_its_smallest_record() -> None:
    left, right = np.array([8, 7, 6, 5, 1]), np.array([7, 6, 5, 4, 2])
    assert components(10, left, right).tolist() == [0, 1, 1, 3, 4, 4, 4, 4, 4, 9]


def test_linking_files_opens_neither_pandas_nor_scipy(tmp_path: Path) -> None:
    rows = [f"{index},Ann{index % 7},Lee{index % 5},200{index % 9}-01-0{1 + index % 8}" for index in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(["id,first,last,born", *rows]), encoding="utf-8")
    (tmp_path / "link.yaml").write_text(
        "sources:\n  a: {file: a.csv, id: id, columns: {first_name: first, last_name: last, birth_date: born}}\n"
    )
    program = (
        "import sys; from pathlib import Path; from kinbridge.linkage.files import link_files; "
        f"link_files(Path({str(tmp_path / 'link.yaml')!r}), Path({str(tmp_path / 'out')!r})); "
        "print({'pandas', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
