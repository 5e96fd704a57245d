// Chat templates without Python: recorded renderings, errors that name the place,
// and the corners of the language where Jinja surprises.
#include "runtime/engine/chat/chat_template.h"

#include <gtest/gtest.h>

namespace hasten {
namespace {

using chat::Dict;
using chat::List;
using chat::Value;

Result<std::string> Render(std::string_view source, const ChatInput& input = {}) {
  HST_ASSIGN_OR_RETURN(const auto parsed, ChatTemplate::Parse(source));
  return parsed->Render(input);
}

std::string Text(std::string_view source, const ChatInput& input = {}) {
  const auto text = Render(source, input);
  return text.ok() ? *text : "error: " + text.status().message();
}

ChatInput Conversation() {
  ChatInput input;
  input.Add("system", "Be brief.");
  input.Add("user", "Hi");
  input.bos_token = "<s>";
  return input;
}

TEST(ChatTemplate, RendersChatMl) {
  const char* source =
      "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m.content + '<|im_end|>' + '\\n' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  ChatInput input = Conversation();
  EXPECT_EQ(Text(source, input),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  input.add_generation_prompt = false;
  EXPECT_EQ(Text(source, input), "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n");
}

TEST(ChatTemplate, GivesTheVariablesOfTransformers) {
  ChatInput input = Conversation();
  EXPECT_EQ(Text("{{ bos_token }}{{ eos_token is defined }}{{ tools is none }}{{ documents is defined }}", input),
            "<s>FalseTrueTrue");
  input.variables.emplace_back("enable_thinking", false);
  input.tools = Value(List{Value(Dict{{"name", "f"}, {"args", Value(List{1, 2.5, nullptr, true})}})});
  EXPECT_EQ(Text("{{ enable_thinking }} {{ tools | tojson }}", input),
            "False [{\"name\": \"f\", \"args\": [1, 2.5, null, true]}]");
}

TEST(ChatTemplate, ControlsWhitespaceAsTransformersSetsIt) {
  EXPECT_EQ(Text("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(Text("a \n {%- if true -%} \n b {%- endif %}\nc"), "abc");
  EXPECT_EQ(Text("  {%+ if true +%}\nx{% endif %}"), "  \nx");
  EXPECT_EQ(Text("x {# note #}\ny {{- 1 -}} \n z\r\n"), "x y1z");
  EXPECT_EQ(Text("{% raw %}{{ x }}{% endraw %}"), "{{ x }}");
}

TEST(ChatTemplate, ScopesAsJinja) {
  EXPECT_EQ(Text("{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}"), "231");
  EXPECT_EQ(Text("{% set n = namespace(x=1) %}{% for i in [1, 2] %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}"), "4");
  EXPECT_EQ(Text("{% if true %}{% set y = 3 %}{% endif %}{{ y }}"), "3");
  EXPECT_EQ(Text("{% macro m(a, b=2) %}{{ a }}{{ b }}{{ i }}{% endmacro %}{% for i in [7] %}{{ m(i) }}{% endfor %}"), "72");
}

TEST(ChatTemplate, AnItemNamedLikeAMethodNeedsASubscript) {
  EXPECT_EQ(Text("{{ {'items': 5}['items'] }}"), "5");
  EXPECT_EQ(Text("{% for k, v in {'items': 5}.items() %}{{ k }}{{ v }}{% endfor %}"), "items5");
}

TEST(ChatTemplate, TellsTheTimeItIsGiven) {
  ChatInput input;
  EXPECT_NE(Text("{{ strftime_now('%Y') }}", input).find("strftime_now is not supported without a time"), std::string::npos);
  EXPECT_EQ(Text("{% if strftime_now is defined %}yes{% endif %}", input), "yes");
  input.now = 1735738496;
  EXPECT_EQ(Text("{{ strftime_now('%d %b %Y, %A %H:%M:%S %j') }}", input), "01 Jan 2025, Wednesday 13:34:56 001");
  input.now = -86400 * 366;
  EXPECT_EQ(Text("{{ strftime_now('%F') }}", input), "1968-12-31");
}

TEST(ChatTemplate, RefusesByNameAndLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"a\n{% include 'x' %}", "line 2: statement {% include %} is not supported"},
      {"{{ x | frobnicate }}", "line 1: filter \"frobnicate\" is not supported"},
      {"\n\n{{ x is odd_one }}", "line 3: test \"odd_one\" is not supported"},
      {"{% if x %}", "line 1: expected {% endif %}, found the end of the template"},
      {"{{ raise_exception('No system role') }}", "the template refuses this conversation: No system role"},
      {"{{ nothing.x }}", "'nothing' is undefined"},
      {"{{ [].append(1) }}", "templates must not change their inputs"},
      {"{{ cycler(1) }}", "function \"cycler\" is not supported"},
      {"{% break %}", "outside of a loop"}};
  for (const auto& [source, message] : cases) {
    const auto text = Render(source);
    ASSERT_FALSE(text.ok()) << source;
    EXPECT_NE(text.status().message().find(message), std::string::npos) << source << ": " << text.status().message();
  }
  EXPECT_EQ(Render("{% include 'x' %}").status().code(), Code::kUnsupported);
  EXPECT_EQ(Render("{{ raise_exception('no') }}").status().code(), Code::kBadInput);
}

TEST(ChatTemplate, TakesIllFormedMessages) {
  ChatInput input;
  input.Add("user", "a\xFFz");
  EXPECT_EQ(Text("{{ messages[0].content }}", input), "a\xEF\xBF\xBDz");
  EXPECT_FALSE(ChatTemplate::Parse("\xFF").ok());
}

TEST(ChatValue, WritesFloatsAsPython) {
  const std::pair<double, const char*> cases[] = {{0.0, "0.0"}, {-0.0, "-0.0"}, {1.0, "1.0"}, {0.1, "0.1"}, {1e15, "1000000000000000.0"},
                                                  {1e16, "1e+16"}, {1.5e-5, "1.5e-05"}, {0.0001, "0.0001"}, {1e100, "1e+100"},
                                                  {123456.789, "123456.789"}, {2.5e-310, "2.5e-310"}};
  for (const auto& [value, text] : cases) EXPECT_EQ(chat::FloatRepr(value), text);
}

}  // namespace
}  // namespace hasten
