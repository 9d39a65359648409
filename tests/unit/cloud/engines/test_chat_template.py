"""Chat templates: rendered as llama.cpp renders them, in a sandbox."""

import pytest

from secondbasket.cloud.engines.chat_template import ChatTemplate, TemplateRefused

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
USER = {"role": "user", "content": "Hi"}


def template(source: str = CHATML) -> ChatTemplate:
    return ChatTemplate(source, bos="<s>", eos="</s>")


def test_a_conversation_ends_with_the_assistants_turn_opened() -> None:
    assert template().prompt([USER]) == ("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


def test_a_begun_answer_stands_open_at_the_end() -> None:
    begun = {"role": "assistant", "content": "Good d"}
    assert template().prompt([USER, begun]) == template().prompt([USER]) + "Good d"


def test_an_answer_that_was_a_tool_call_is_not_gone_on_with() -> None:
    called = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}]}
    assert "assistant\n<|im_end|>" in template().prompt([USER, called])


def test_templates_have_the_words_and_filters_they_know() -> None:
    source = (
        "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ tools | tojson }}"
        "{% if enable_thinking %}think{% endif %}{{ strftime_now('%Y') | length }}"
        "{% for m in messages %}{% break %}{% endfor %}"
    )
    rendered = template(source).prompt(
        [USER], tools=[{"name": "<é>"}], switches={"enable_thinking": True}
    )
    assert rendered == '<s>Hi</s>[{"name": "<é>"}]think4'


def test_without_tools_a_template_sees_none() -> None:
    assert template("{{ tools is none }}").prompt([USER]) == "True"


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('roles must alternate') }}",
        "{{ messages[0]['content'] + 1 }}",
        "{{ messages[7].role }}",
        "{{ 1 / 0 }}",
        "{{ nothing.of.it }}",
    ],
)
def test_a_template_that_refuses_is_told_of(source: str) -> None:
    with pytest.raises(TemplateRefused):
        template(source).prompt([USER])


def test_a_template_that_is_none_is_told_of() -> None:
    with pytest.raises(TemplateRefused):
        template("{% if %}")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'role': 'system'}) }}",
        "{{ self.__init__.__globals__ }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_a_template_reaches_nothing(source: str) -> None:
    with pytest.raises(TemplateRefused):
        template(source).prompt([USER])
