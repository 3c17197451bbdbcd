"""Questions about a passage, in the form of ReAct: lines of Thought, Action and Observation, the last with Finish[...].

Source: LPR (arXiv 2402.00658), whose policy plays the observations itself. Unlike there, every line has its prefix, the
first one included, and one template serves every stage (docs/methods.md).
"""

import re

from stepladder.questions.question import Question

KINDS = ("Thought", "Action", "Observation")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
INSTRUCTION = (
    "Below are a context, a question about it, and its options; exactly one of them answers it. Reason in numbered "
    "lines that begin with Thought, Action or Observation: a thought says what follows, an action names what to look "
    "at, an observation says what it shows. The last line is an action of this form, with the letter of the option you "
    "choose: "
    "Action 3: Finish[The answer is A.]"
)
_FINISH = re.compile(r"Finish\[([^\]]*)\]")
_LETTER = re.compile(r"(?<![A-Za-z])[A-Z](?![A-Za-z])")
_SAID = re.compile(r"answer\s+is\s+\(?([A-Z])(?![A-Za-z])")


def is_react(question: Question) -> bool:
    """Whether a question is about a passage, and so asked in this form."""
    return "context" in question.fields


def build_react_prompt(question: Question, instruction: bool) -> str:
    """The prompt; a chain follows it directly, with its first line "Thought 1: ..."."""
    options = "\n".join(f"{LETTERS[index]}. {text}" for index, text in enumerate(question.options))
    parts = {"Context": question.fields["context"], "Question": question.fields["question"], "Options": options}
    blocks = [f"{name}:\n{text}\n\n" for name, text in parts.items()]
    return "".join([f"{INSTRUCTION}\n\n" if instruction else "", *blocks])


def finish_line(number: int, option: int) -> str:
    """The last line of a chain.

    Args:
        number: of the action.
        option: 0-based.
    """
    return f"Action {number}: Finish[The answer is {LETTERS[option]}.]"


def react_demonstration(question: Question) -> str:
    """A chain for a question that has none: it shows the form, and nothing in it leads to the answer."""
    count = len(question.options)
    return f"Thought 1: The context is compared with each of the {count} options.\n{finish_line(2, question.answer)}"


def extract_react_answer(text: str, options: int, strict: bool = False) -> int | None:
    """The option (0-based) that a chain settles on; None for none and for several.

    The strict rule reads the first ``Finish[...]`` alone: exactly one letter that stands by itself must be there, and
    it must be an option's; "A and B" is no answer. The flexible rule, where there is no such bracket, takes the last
    "answer is X".

    Args:
        text: what the policy generated, without the prompt.
        options: how many the question has.
        strict: which of the two rules to use.
    """
    bracket = _FINISH.search(text)
    letters = _LETTER.findall(bracket[1]) if bracket else [] if strict else _SAID.findall(text)[-1:]
    return LETTERS.index(letters[0]) if len(letters) == 1 and letters[0] in LETTERS[:options] else None


def extract_react_as_published(text: str) -> int | None:
    """As LPR's evaluation reads it, for comparison: any capital A to D in the first bracket counts, in words too.

    The text is cut at "Context:", and what follows the first "Finish[" runs to the next "]", or to the end.
    """
    _, found, rest = text.partition("Context:")[0].partition("Finish[")
    letters = re.findall("[A-D]", rest.partition("]")[0]) if found else []
    return LETTERS.index(letters[0]) if len(letters) == 1 else None
