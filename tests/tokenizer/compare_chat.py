"""Renders chat templates with jinja2, set up as transformers sets it up, and with
render_cli, and compares the texts.

The templates below are written for this test. Each exercises what one family of
public templates does, and a block of small ones goes through the language.
Usage: compare_chat.py RENDER_CLI [TEMPLATE_FILE...]   (further templates to try)
"""
import datetime
import json
import pathlib
import subprocess
import sys

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = 1735738496  # 2025-01-01 13:34:56


class Generation(Extension):
    """{% generation %} marks the assistant's part; it renders as its body."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(f)
    return env


FAMILIES = {
    "chatml": """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
    "llama2": """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}""",
    "llama3": """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- The system message comes first. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{%- if builtin_tools is defined %}
    {{- "Tools: " + builtin_tools | reject('equalto', 'code_interpreter') | join(", ") + "\\n\\n"}}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {{- "You have these functions:\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("Only one call at a time!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "mistral": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("roles must alternate user and assistant") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("call IDs must have length 9") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {{- ", " if not loop.last else "]" + eos_token }}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool" %}
        {{- '[TOOL_RESULTS] {"content": ' + message.content|string + ', "call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("only user, assistant and tool roles") }}
    {%- endif %}
{%- endfor %}
""",
    "gemma": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% if messages[0]['content'] is string %}{% set first = messages[0]['content'] + '\\n\\n' %}{% else %}{% set first = messages[0]['content'][0]['text'] + '\\n\\n' %}{% endif %}{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}{% for message in rest %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\\n' + (first if loop.first else '') }}{% if message['content'] is string %}{{ message['content'] | trim }}{% elif message['content'] is iterable %}{% for item in message['content'] %}{% if item['type'] == 'image' %}{{ '<image>' }}{% elif item['type'] == 'text' %}{{ item['text'] | trim }}{% endif %}{% endfor %}{% else %}{{ raise_exception('Invalid content type') }}{% endif %}{{ '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}""",
    "phi3": """{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\\n' + message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}""",
    "qwen2.5": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You help.' }}
    {%- endif %}
    {{- "\\n\\n# Tools\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools>\\n\\n<tool_call>\\n{\\"name\\": <function-name>, \\"arguments\\": <args-json-object>}\\n</tool_call><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""",
    "deepseek-r1": """{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<|User|>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['tool_calls'] %}{%- set ns.is_tool = false -%}{%- for tool in message['tool_calls'] %}{%- if not ns.is_first %}{{'<|Assistant|><|calls|>' + tool['type'] + '<|sep|>' + tool['function']['name'] + '\\n' + '```json' + '\\n' + tool['function']['arguments']|tojson + '\\n' + '```'}}{%- set ns.is_first = true -%}{%- else %}{{'\\n' + tool['function']['name']}}{%- endif %}{%- endfor %}{{'<|calls_end|>'}}{%- endif %}{%- if message['role'] == 'assistant' and not message['tool_calls'] %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<|Assistant|>' + content + eos_token}}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{%- if ns.is_output_first %}{{'<|outputs|><|output|>' + message['content'] + '<|output_end|>'}}{%- set ns.is_output_first = false %}{%- else %}{{'\\n<|output|>' + message['content']}}{%- endif %}{%- endif %}{%- endfor -%}{% if ns.is_tool %}{{'<|outputs_end|>'}}{% endif %}{% if add_generation_prompt and not ns.is_tool %}{{'<|Assistant|><think>\\n'}}{% endif %}""",
    "zephyr": """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}""",
    "command-r": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% elif false == true %}{% set loop_messages = messages %}{% set system_message = 'You are large.' %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% if system_message != false %}{{ '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' + system_message + '<|END_OF_TURN_TOKEN|>' }}{% endif %}
{%- macro json_to_python_type(json_spec) %}
{%- set basic_type_map = {
    "string": "str",
    "number": "float",
    "integer": "int",
    "boolean": "bool"
} %}
{%- if json_spec.type is string and json_spec.type in basic_type_map %}
    {{- basic_type_map[json_spec.type] }}
{%- elif json_spec.type == "array" %}
    {{- "List[" + json_to_python_type(json_spec['items']) + "]" }}
{%- elif json_spec.type == "object" %}
    {{- "Dict[str, Any]" }}
{%- elif json_spec.type is iterable and json_spec.type is not string %}
    {{- "Union[" }}
    {%- for t in json_spec.type %}
      {{- json_to_python_type({"type": t}) }}
      {%- if not loop.last %}
        {{- "," }}
    {%- endif %}
    {%- endfor %}
    {{- "]" }}
{%- else %}
    {{- "Any" }}
{%- endif %}
{%- endmacro %}
{%- for tool in tools or [] %}
    {%- set fn = tool.function %}
def {{ fn.name }}({% for name, spec in fn.parameters.properties.items() %}{{ name }}: {% if name not in fn.parameters.get('required', []) %}Optional[{{ json_to_python_type(spec) }}] = None{% else %}{{ json_to_python_type(spec) }}{% endif %}{% if not loop.last %}, {% endif %}{% endfor %}):
    \"\"\"{{ fn.description | default('', true) }}\"\"\"
{%- endfor %}
{% for message in loop_messages %}{% set content = message['content'] %}{% if message['role'] == 'user' %}{{ '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% elif message['role'] == 'assistant' %}{% generation %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>'  + (content or '').strip() + '<|END_OF_TURN_TOKEN|>' }}{% endgeneration %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}""",
}

TOOL = {"type": "function", "function": {
    "name": "get_weather", "description": "Weather of a city: \"now\" é <b>", "return": {"type": "string"},
    "parameters": {"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "description": "City's name\n"}, "days": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "number"}}, "any": {"type": ["string", "boolean"]}}}}}
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"type": "function", "id": "abcdefghi", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2, "x": [1.5, None, True]}}}]}
U = lambda t: {"role": "user", "content": t}
A = lambda t: {"role": "assistant", "content": t}
S = lambda t: {"role": "system", "content": t}
CONVERSATIONS = [
    [U("Hi")], [S("Be brief."), U("  Hi  \n")], [U("Hi"), A("Hello!"), U("How?")],
    [S("Sys\n"), U("1 < 2 & \"q\""), A("<think>\nhm\n</think>\n\nYes 🙂."), U("中文 é")],
    [U("a"), U("b")], [A("first")], [U("Weather?"), CALL, {"role": "tool", "content": "sunny", "tool_call_id": "abcdefghi"}, A("Sunny."), U("Thanks")],
    [U("Weather?"), CALL, {"role": "tool", "content": "{\"t\": 1}", "tool_call_id": "abcdefghi"}],
    [U("Look"), A("Yes"), {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " what? "}]}], []]
SIMPLE = {"type": "function", "function": {
    "name": "add", "description": "Adds.", "parameters": {"type": "object", "required": ["a"], "properties": {
        "a": {"type": "number", "description": "First."}, "b": {"type": "number", "description": "Second."}}}}}
SETTINGS = [{}, {"tools": [SIMPLE], "functions": "[add]", "datetime": "today", "documents": [{"title": "T", "text": "x"}]}, {"tools": [TOOL]}, {"add_generation_prompt": False}, {"enable_thinking": False, "tools": [TOOL, TOOL]},
            {"builtin_tools": ["brave", "code_interpreter"], "date_string": "1 May 2024"}]

SNIPPETS = r"""
{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 1.0 }} {{ 1e20 }} {{ 0.1 + 0.2 }} {{ 1e-5 }} {{ 123456789.0 * 1000000000 }}
{{ -2 ** 2 }} {{ not 1 == 2 }} {{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' in 'cat' }} {{ 3 not in [1, 2] }} {{ true and none }} {{ '' or 'x' }} {{ 1 if false }}
{{ none }} {{ true }} {{ [1, 'a', none, 2.5, "it's"] }} {{ {'a': 1, 2: [()]} }} {{ (1,) }} {{ (1, 2) }} {{ 'a' ~ 1 ~ none }} {{ "q\"'\n\u00e9\x41" }}
{{ 'abc'[1] }} {{ 'abc'[-1] }} {{ 'abcdef'[1:4] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[::2] }} {{ [1, 2, 3][1:] }} {{ [1, 2, 3][:-1] }} {{ (1, 2, 3)[5:] }} {{ 'héllo'[1:3] }} {{ [1,2,3,4][3:0:-2] }}
{{ missing }}|{{ missing is defined }}|{{ missing | default('d') }}|{{ '' | default('d', true) }}|{{ none | default('d') }}|{{ missing | length }}|{% for x in missing %}x{% else %}none{% endfor %}
{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }},{% endfor %}{{ x }}
{% set ns = namespace(n=0, items=[]) %}{% for i in range(5) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }} {{ ns.missing is defined }}
{% for i in range(1, 10, 3) %}{{ loop.index }}/{{ loop.length }}:{{ i }}{{ ',' if not loop.last }}{{ loop.first }}{{ loop.revindex0 }} {% endfor %}
{% for i in [1, 2, 3] %}{{ loop.previtem }}-{{ loop.nextitem }};{% endfor %}{% for a, b in [(1, 2), [3, 4]] %}{{ a + b }} {% endfor %}
{% for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}={{ v }} {% endfor %}{% for k in {'b': 1, 'a': 2} %}{{ k }}{% endfor %}{{ {'b': 1, 'a': 2} | dictsort }}{{ {'b': 1}.keys() | list }}
{% for i in [1, 2, 3, 4] if i % 2 == 0 %}{{ i }}({{ loop.index }}){% endfor %}{% for i in [1, 2, 3, 4] %}{% if i == 2 %}{% continue %}{% elif i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% macro m(a, b='B', c=none) %}[{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}]{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(1, 2, 3) }}{{ m(a='x') }}{{ m() }}
{% macro wrap(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call wrap('b') %}inner{% endcall %}{% macro fact(n) %}{{ 1 if n < 2 else n * (fact(n - 1) | int) }}{% endmacro %}{{ fact(5) }}
{% set t %} block {{ 1 }} {% endset %}[{{ t }}]{% set t | upper | trim %} block {% endset %}[{{ t }}]{% filter upper %}shout{% endfilter %}{% with a=1, b=2 %}{{ a + b }}{% endwith %}{{ a is defined }}
{{ '  x y  ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ 'hELLO wORLD-foo (bar)' | title }}|{{ 'hELLO wORLD' | capitalize }}|{{ 'hELLO wORLD-foo' .title() }}|{{ 'aBc' | upper }}{{ 'aBc' | lower }}
{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensitive=true, reverse=true) }} {{ [1, 2, 1] | unique | list }} {{ [1, 2] | reverse | list }} {{ 'abc' | reverse }} {{ [1, 2] | sum }} {{ [1, 5, 2] | max }} {{ [4, 2] | min }}
{{ [1, 2] | join(', ') }} {{ [] | first is defined }} {{ [1, 2] | first }} {{ [1, 2] | last }} {{ 'abc' | list }} {{ {'a': 1} | list }} {{ '3' | int }} {{ '3.7' | int }} {{ 'x' | int(5) }} {{ '2.5' | float }} {{ 3 | float }} {{ -3 | abs }} {{ 2.567 | round(2) }} {{ 2.5 | round }}
{{ [{'n': 'a', 'v': 1}, {'n': 'b', 'v': 2}] | map(attribute='n') | join(',') }} {{ ['a', 'b'] | map('upper') | list }} {{ [{'v': {'w': 3}}] | map(attribute='v.w') | list }} {{ [{'v': 1}, {}] | map(attribute='v', default='-') | list }}
{{ [1, 2, 3, 4] | select('odd') | list }} {{ [1, 2, 3] | reject('gt', 1) | list }} {{ [{'a': 1}, {'a': 0}] | selectattr('a') | list }} {{ [{'a': 1}, {'a': 2}] | rejectattr('a', 'eq', 1) | list }} {{ [0, 1, ''] | select | list }} {{ [{'a': 1}, {}] | selectattr('a', 'defined') | list | length }}
{{ {'a': [1, 2.0, none, true, "é\n\"<>&'"], 'b': {}} | tojson }} {{ [] | tojson }} {{ {'a': {'b': [1, []]}} | tojson(indent=2) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true, separators=(',', ':')) }} {{ "é😀" | tojson(ensure_ascii=true) }} {{ 1e100 | tojson }}
{{ 'a,b,,c'.split(',') }} {{ ' a  b c '.split() }} {{ 'a b c'.split(' ', 1) }} {{ 'a b c'.rsplit(' ', 1) }} {{ ' a b  c '.rsplit(none, 1) }} {{ 'a\nb\r\nc'.splitlines() }} {{ 'k=v=w'.partition('=') }} {{ 'k=v=w'.rpartition('=') }} {{ ' a b '.split(none, 1) }}
{{ '  x '.strip() }}|{{ '  x '.lstrip() }}|{{ '  x '.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('b', 'c')) }}|{{ 'aXbX'.replace('X', '-') }}|{{ 'aXbX'.replace('X', '-', 1) }}|{{ 'ab'.replace('', '.') }}|{{ 'abcb'.find('b') }}{{ 'abcb'.rfind('b') }}{{ 'abc'.find('z') }}|{{ 'abab'.count('ab') }}
{{ '-'.join(['a', 'b']) }} {{ '{} and {1}'.format('a', 'b') if false else '{0} {x}'.format('a', x=2) }} {{ '%s=%d %5.2f|%03d' % ('a', 3, 2.5, 7) }} {{ '%s' % 'x' }} {{ 'a' * 3 }} {{ [1] * 2 }} {{ '7'.zfill(3) }} {{ 'a'.ljust(3, '.') }} {{ 'abc'.upper().lower().title() }} {{ '12'.isdigit() }} {{ 'ab1'.isalpha() }} {{ 'x.y'.removesuffix('.y').removeprefix('x') }}
{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.get('b', 5) }} {{ {'a': 1}['b'] is defined }} {{ {'a': {'b': 2}}.a.b }} {{ {'items': 3}['items'] }} {{ {'a': 1} == {'a': 1} }} {{ [1, 2] == [1, 2.0] }} {{ 1 == '1' }} {{ {'a': 1, 'b': 2}.values() | list }} {{ dict(a=1, b=2) }}
{{ 1 is number }} {{ 'a' is string }} {{ {} is mapping }} {{ [] is iterable }} {{ [] is sequence }} {{ none is none }} {{ true is boolean }} {{ 1 is boolean }} {{ true is true }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 1 is eq 1 }} {{ 1 is in [1] }} {{ 'a' is not none }} {{ 1.5 is float }} {{ 1 is integer }} {{ 'A' is upper }} {{ 3 is ge 3 }} {{ 'join' is filter }} {{ x is undefined }}
{{ 'line1\nline2\n\nline4' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent(2, blank=true) }}|{{ 'a\nb' | indent('> ') }}|{{ 'aaa' | replace('a', 'b', 2) }}|{{ 5 | string }}|{{ 'a b' | wordcount }}|{{ '<b>' | safe }}|{{ [1, 2, 3] | batch(2) | list }}
{% if false %}a{% elif none %}b{% else %}c{% endif %} {{ 'yes' if 1 else 'no' }} {{ ('a' 'b') }} {{ [1, [2, 3]] | tojson }} {{ 10000000000 * 3 }} {{ 1_000 }} {{ "a" < "b" }} {{ [1, 2] < [1, 3] }} {{ not true or true }} {{ 5 - -2 }} {{ +3 }}
{% raw %}{{ not code }}{% endraw %} {# comment #}x{#- trimmed -#} y {%- if true -%} z {%- endif -%} w
  {% if true %}
    indented
  {% endif %}
{%+ if true %}keeps {% endif +%}
 x {{- 'y' -}} z {%- set q = 1 %}

{%- for m in messages %}
{{ m.role }}: {{ m.content }}
{%- endfor %}
{% for i in [[1, [2, 3]], [4]] recursive %}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}@{{ loop.depth }}{% endif %}{% endfor %}
{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %B %a %A %j %p %I %y %% %-d %e') }}
{{ '<a>' | safe + '<b>' }} {{ '<a>' + ('<b>' | safe) | trim }} {{ ('<a>' | safe) ~ '<b>' }} {{ '<"a">' | e }} {{ ('<a>' | escape) + "'" }} {{ ('<A>' | safe).strip().lower() + '&' }} {{ ['<' | safe, '>'] | join('&') }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = 1, 2 %}{{ c }}{% set d = {'k': 'v'} %}{{ d.k }}{{ d['k'] }}{% set e = [1, 2,] %}{{ e }}{{ d.items() | list }} {{ d | items | list }} {{ d | length }}
{{ 'ß'.upper() }} {{ 'É'.lower() }} {{ 'ǆ'.title() }} {{ 'İ'.lower() | length }} {{ "\t|\\|\'" }} {{ 'naïve café'.title() }} {{ '日本語' | length }} {{ '日本語' | list }} {{ 'a' 'b' ~ 'c' }}
{{ none | map('upper') | list }} {{ none | selectattr('a') | list }} {{ messages | map(attribute='role') | list | tojson }} {{ messages | selectattr('role', 'in', ['user']) | list | length }} {{ (messages | first | default({}, true)).role }} {{ messages[-1].content[:2] if messages and messages[-1].content is string }}
"""


def run(cli, cases):
    lines = "".join(json.dumps({"template": t, "now": NOW, "variables": v}) + "\n" for _, t, v in cases)
    out = subprocess.run([cli], input=lines.encode(), capture_output=True, check=True).stdout.decode()
    return [json.loads(line) for line in out.splitlines()]


def expected(env, template, variables):
    try:
        return env.from_string(template).render(**variables)
    except Exception as e:  # whatever it raises, ours has to refuse as well
        return e


def main():
    cli, extra = sys.argv[1], sys.argv[2:]
    templates = dict(FAMILIES)
    templates |= {pathlib.Path(p).name: pathlib.Path(p).read_text() for p in extra}
    cases = []
    base = {"add_generation_prompt": True, "tools": None, "documents": None, "bos_token": "<s>", "eos_token": "</s>"}
    for name, template in templates.items():
        for messages in CONVERSATIONS:
            for setting in SETTINGS:
                cases.append((name, template, base | setting | {"messages": messages}))
    for line in SNIPPETS.strip("\n").split("\n"):
        cases.append(("snippet " + line[:40], line, base | {"messages": CONVERSATIONS[3]}))
    cases.append(("all snippets", SNIPPETS, base | {"messages": CONVERSATIONS[3]}))
    env = environment()
    results = run(cli, cases)
    bad, families = 0, {}
    for (name, template, variables), got in zip(cases, results):
        want = expected(env, template, variables)
        refused = isinstance(want, Exception)
        same = "error" in got if refused else got.get("text") == want
        counts = families.setdefault(name.split(" ")[0], [0, 0, 0])
        counts[0] += same
        counts[1] += 1
        counts[2] += refused
        if refused and name.startswith("snippet"):
            print(f"{name}: refused as jinja2 does: {want!r}; ours: {got.get('error')}")
        if not same:
            bad += 1
            if bad <= 20:
                print(f"{name}: {json.dumps(variables['messages'])[:100]}\n  want {want!r}\n  got  {got}")
    for name, (same, total, refused) in families.items():
        print(f"{name}: {same} of {total} equal ({refused} of these refused by jinja2)")
    return 1 if bad or len(results) != len(cases) else 0


sys.exit(main())
