"""The one prompt of every stage: scaffold, instruction, answer line, and the format demonstration.

The scaffold has the fields and the cue line of PSPO* (arXiv 2411.11681, released code), with one blank after
every colon in all data sets; the instruction says the same things in words of its own. The same prompt serves
training and evaluation, whereas the published evaluation drops the instruction.
"""

import re

from stepladder.questions.question import Question
from stepladder.questions.react import build_react_prompt, is_react, react_demonstration

# Raise it when a prompt changes: a PRM says which version it was trained on.
VERSION = 1
MEANINGS = {
    "entailment": "statement2 can be justifiably inferred to be true from statement1",
    "contradiction": "statement2 is false if statement1 is true",
    "neutral": "statement1 does not tell whether statement2 is true",
}
EQUATIONS = "Write out an equation whenever you calculate."
EXTRA_INFORMATION = (
    "Watch for information that statement2 adds, and check whether its numbers follow from statement1; "
    "what statement1 does not mention cannot be determined."
)
HINTS = {
    "awpnli": EQUATIONS,
    "qqa": EQUATIONS,
    "newsnli": EXTRA_INFORMATION,
    "rte_quant": EXTRA_INFORMATION,
    "stresstest": EXTRA_INFORMATION,
}
STEPS = "Reason step by step and begin every step on a new line with its number, such as 1. or [1]."
LINES = "Reason step by step, one step a line."
# What the solutions of a set with answers in free form end in, and so what a policy is asked for.
ENDINGS = {
    "gsm8k": "End with a line that holds four number signs and the answer alone, a number, such as #### 42",
    "sums": "End with a line that holds four number signs and the answer alone, a number, such as #### 42",
    "gsm_plus": "End with a line that holds four number signs and the answer alone, a number, such as #### 42; "
    "where the question does not tell enough to answer it, the line is #### None",
    "math500": "Put the final answer, and nothing else, into \\boxed{}.",
}
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")


def build_prompt(question: Question, instruction: bool) -> str:
    """The prompt of a question; a policy's chain follows it directly.

    Args:
        instruction: whether a paragraph on the task, its options and the answer's form precedes the scaffold.
    """
    if is_react(question):
        return build_react_prompt(question, instruction)
    parts = {**question.fields, **{f"option{k}": text for k, text in enumerate(question.options, start=1)}}
    lines = [f"### {name}: {text}" for name, text in parts.items()]
    scaffold = "\n".join([*lines, "### Response: Let's think step by step.\n"])
    return f"{_instruction(question)}\n{scaffold}" if instruction else scaffold


def answer_line(option: int) -> str:
    """The last line of every chain.

    Args:
        option: 0-based; the line counts from 1.
    """
    return f"the answer is option {option + 1}. #### {option + 1}"


def template_demonstration(question: Question) -> str:
    """A chain for a question with options that has none: two lines that copy its numbers, then the answer line.

    It shows the format (numbered steps, the closing line) and no more: nothing in it leads from the numbers
    to the answer, so a policy trained on it learns to answer in form, not to reason.
    """
    if is_react(question):
        return react_demonstration(question)
    if "question" in question.fields:
        copied = {"question": question.fields["question"], "options": " ; ".join(question.options)}
    else:
        copied = question.fields
    steps = [f"{k}. numbers in {name} : {_numbers(copied[name])}" for k, name in enumerate(copied, start=1)]
    return "\n".join([*steps, answer_line(question.answer)])


def _numbers(text: str) -> str:
    return " , ".join(_NUMBER.findall(text)) or "none"


def _instruction(question: Question) -> str:
    if not question.options:
        return f"Below is a question. {LINES} {ENDINGS[question.dataset]}"
    if "question" in question.fields:
        task = "Below are a question and its options; exactly one of them answers it."
    else:
        meanings = "; ".join(
            f"option {k} ({name}) means that {MEANINGS[name.lower()]}"
            for k, name in enumerate(question.options, start=1)
        )
        task = (
            "Below are two statements: statement1 is a premise, which you take to be true, and statement2 is "
            f"a hypothesis about it. Decide which option describes how they relate: {meanings}."
        )
    ending = f"End with a line of this form, with the number of the option you choose: {answer_line(0)}"
    return " ".join(part for part in (task, HINTS.get(question.dataset), STEPS, ending) if part)
