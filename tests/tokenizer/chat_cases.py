"""What compare_chat.py renders: conversations, settings, and a block of small
templates, one a line, that goes through the language."""

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
