// Texts on the page: the worst items and the generations. All of it may be hostile.
#include "calib/report/html_parts.h"
#include "calib/report/text.h"
#include "runtime/base/status.h"

namespace hasten::report {
namespace {

constexpr size_t kMostText = 700;   // bytes of what came before an item

std::string Text(const std::string& text) { return text.empty() ? "<i class=\"none\">nothing</i>" : StrCat("<bdi class=\"text\">", Html(text), "</bdi>"); }

std::string Row(const char* name, const std::string& text, const char* kind = "") { return StrCat("<div class=\"", kind, "\"><dt>", name, "</dt><dd>", Text(text), "</dd></div>"); }

// Bytes that both begin with, cut back to a character's beginning.
size_t CommonPrefix(const std::string& a, const std::string& b) {
  size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  while (n > 0 && n < a.size() && (static_cast<unsigned char>(a[n]) & 0xC0) == 0x80) --n;
  return n;
}

std::string Divergent(const std::string& text, size_t common) {
  std::string out = StrCat("<bdi class=\"text\"><span class=\"same\">", Html(text.substr(0, common)), "</span>");
  if (common < text.size()) out += StrCat("<mark>", Html(text.substr(common)), "</mark>");
  return out + "</bdi>";
}

}  // namespace

std::string WorstSection(const gate::Report& r) {
  std::string items;
  for (const auto& w : r.worst) {
    items += StrCat("<li><p class=\"where\"><strong>", Number(w.difference), " ", Html(w.unit), "</strong> <small>", Html(w.kind), ", document ", w.document, ", position ", w.position,
                    "</small></p><dl>", Row("before", ShortenFront(w.text, kMostText), "context"), Row("came", w.expected), Row("reference", w.reference), Row("candidate", w.candidate), "</dl></li>\n");
  }
  return items.empty() ? "" : HtmlSection("worst", StrCat("Worst ", r.worst.size(), r.worst.size() == 1 ? " item" : " items"), "Where reference and candidate are furthest apart.", StrCat("<ol class=\"items\">", items, "</ol>"));
}

std::string GenerationsSection(const gate::Report& r) {
  std::string items;
  for (const auto& g : r.generations) {
    const size_t common = CommonPrefix(g.reference, g.candidate);
    const std::string where = g.first_divergent < 0 ? std::string("the same") : StrCat("differs from token ", g.first_divergent, " on");
    items += StrCat("<details><summary><bdi>", Html(Shorten(g.prompt, 100)), "</bdi> <small>", where, "</small></summary><div class=\"pair\"><div><h4>reference <small>",
                    g.reference_tokens, " tokens, ", Html(g.reference_finish), "</small></h4>", Divergent(g.reference, common), "</div><div><h4>candidate <small>",
                    g.candidate_tokens, " tokens, ", Html(g.candidate_finish), "</small></h4>", Divergent(g.candidate, common), "</div></div></details>\n");
  }
  return items.empty() ? "" : HtmlSection("generations", "Greedy generations", "Marked: from where the two part.", items);
}

}  // namespace hasten::report
