"""Passages that two sets of questions share."""

from hypothesis import given
from hypothesis import strategies as st

from stepladder.questions import logiqa2, reclor
from stepladder.questions.contamination import matches
from stepladder.questions.identity import question_id
from stepladder.questions.question import Question

PASSAGE = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"


def about(context: str, options: tuple[str, ...] = ("a", "b"), question: str = "What follows?") -> Question:
    return Question("logiqa2", {"context": context, "question": question}, options, 0)


def test_the_same_words_match_whatever_the_case_the_marks_and_the_question():
    seen = about(PASSAGE.upper().replace(" ", ",  "), ("B.", "c"), "Which is wrong?")
    (match,) = matches([about(PASSAGE)], [about("Something else."), seen])
    assert (match.seen_id, match.share, match.options) == (question_id(seen), 1.0, 1)


def test_half_of_the_ngrams_are_enough_and_fewer_are_not():
    # 16 words hold four 13-grams; a change of the last word breaks one, of the last three words three.
    (match,) = matches([about(PASSAGE)], [about(PASSAGE.replace("sixteen", "x"))])
    assert match.share == 3 / 4
    assert matches([about(PASSAGE)], [about(PASSAGE.replace("fourteen", "x"))]) == []
    assert matches([about(PASSAGE)], [about(PASSAGE.replace("fourteen", "x"))], near=0.25)[0].share == 1 / 4


def test_the_passage_that_shares_most_is_named():
    far, near = about(PASSAGE.replace("fifteen", "x")), about(PASSAGE.replace("sixteen", "x"))
    assert [match.seen_id for match in matches([about(PASSAGE)], [far, near])] == [question_id(near)]


def test_short_passages_match_as_a_whole_only():
    assert matches([about("All cats sleep.")], [about("All cats sleep soundly.")]) == []
    assert len(matches([about("All cats sleep.")], [about("all cats sleep")])) == 1


def test_a_question_without_a_passage_is_known_by_its_options_too():
    def asked(*options):
        return Question("qqa", {"question": "Which is larger?"}, options, 0)

    assert matches([asked("3 quarters", "91 cents")], [asked("3 quarters", "90 cents")]) == []
    assert len(matches([asked("3 quarters", "91 cents")], [asked("3 quarters", "91 cents")])) == 1


@given(st.lists(st.text(alphabet="ab ", min_size=1, max_size=60), max_size=6), st.text(alphabet="ab ", min_size=30))
def test_every_seeded_copy_is_found(others, text):
    found = matches([about(text)], [*map(about, others), about(text)])
    assert [match.share for match in found] == [1.0]


def test_reclor_stands_in_logiqa(real_data):
    seen = logiqa2.load_local(real_data)
    questions = reclor.load_local(real_data).questions
    found = {match.question_id: match for match in matches(questions, seen.questions)}
    exact = sum(match.share == 1 for match in found.values())
    assert 95 <= exact <= len(found) <= 101
    # Not the passages alone: most matches share options, too.
    assert sum(match.options >= 2 for match in found.values()) > len(found) / 2
