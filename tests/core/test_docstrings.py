import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_client._core.docstrings import first_paragraph, parameter_descriptions
from llm_client._core.tools import tool

GOOGLE = """Find flights
    between two cities.

    Longer words about it.

    Args:
        origin (str): Where from, as a code of
            three letters.
        dest: Where to. One of:
            - city
            - airport
        *rest: More.
        **options: Options.

    Returns:
        list: Flights.

    Raises:
        ValueError: origin: unknown.
    """

NUMPY = """Find flights between two cities.

    Parameters
    ----------
    origin : str
        Where from, as a code of
        three letters.
    dest, rest : str, optional
        Where to.

    Returns
    -------
    list
        Flights.
    """

SPHINX = """Find flights between two cities.

    :param origin: Where from, as a code of
        three letters.
    :type origin: str
    :param str dest: Where to.
    :returns: Flights.
    """

EPYDOC = """Find flights between two cities.

    @param origin: Where from, as a code of three letters.
    @param dest: Where to.
    @return: Flights.
    """


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, SPHINX, EPYDOC], ids=["google", "numpy", "sphinx", "epydoc"])
def test_styles(docstring):
    assert first_paragraph(docstring) == "Find flights between two cities."
    descriptions = parameter_descriptions(docstring)
    assert descriptions["origin"] == "Where from, as a code of three letters."
    assert descriptions["dest"].startswith("Where to.")
    assert "returns" not in descriptions
    assert "ValueError" not in descriptions


def test_lists_inside_descriptions_keep_their_lines():
    descriptions = parameter_descriptions(GOOGLE)
    assert descriptions["dest"] == "Where to. One of:\n- city\n- airport"
    assert descriptions["rest"] == "More."
    assert descriptions["options"] == "Options."
    assert parameter_descriptions(NUMPY)["rest"] == "Where to."


@pytest.mark.parametrize(
    ("docstring", "paragraph"),
    [
        (None, ""),
        ("", ""),
        ("   \n  ", ""),
        ("One.", "One."),
        ("\n    One\n    two.\n\n    Three.\n    ", "One two."),
        ("One.\nArgs:\n    a: A.", "One."),
        ("One.\n:param a: A.", "One."),
        ("Args:\n    a: A.", ""),
        (":param a: A.", ""),
        ("Title\n=====\n\nMore.", "Title"),
        ("Returns: the sum of both.", "Returns: the sum of both."),
        ("Notes on a thing.", "Notes on a thing."),
    ],
)
def test_first_paragraph(docstring, paragraph):
    assert first_paragraph(docstring) == paragraph


def test_attributes_are_no_parameters():
    assert parameter_descriptions("X.\n\nAttributes:\n    a: No.\n\nArgs:\n    a: Yes.\n") == {"a": "Yes."}


@pytest.mark.parametrize("docstring", [None, "", "One line: not a: parameter.", "A.\n\nB: c.\n"])
def test_no_descriptions(docstring):
    assert "a" not in parameter_descriptions(docstring)


@given(st.text(alphabet=st.sampled_from("ab:@()-,*\n \\\tArgsParameters"), max_size=200))
def test_no_docstring_breaks_it(docstring):
    text = first_paragraph(docstring)
    assert "\n" not in text
    assert all(isinstance(item, str) for pair in parameter_descriptions(docstring).items() for item in pair)


@given(st.text(max_size=100))
def test_a_tool_survives_any_docstring(docstring):
    def function(a: int) -> int:
        return a

    function.__doc__ = docstring
    assert tool(function).parameters["properties"]["a"]["type"] == "integer"
    assert "docstring_parser" in sys.modules or "\n" not in docstring.strip()
