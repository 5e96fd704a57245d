#include "compiler/interp/ops/window.h"

#include <algorithm>

namespace hasten::interp {
namespace {
constexpr int64_t kMost = int64_t{1} << 31;
}  // namespace

Result<std::vector<int64_t>> SpatialAttr(EvalContext& c, const char* name, size_t count, int64_t fallback, int64_t least) {
  std::vector<int64_t> v = c.node.Ints(name, std::vector<int64_t>(count, fallback));
  if (v.empty()) v.assign(count, fallback);
  if (v.size() != count) return c.Error(name, " has ", v.size(), " elements, needed ", count);
  for (int64_t x : v)
    if (x < least || x > kMost) return c.Error(name, " is ", DimsText(v));
  return v;
}

Result<Window> PlanWindow(EvalContext& c, std::vector<int64_t> in, std::vector<int64_t> kernel) {
  const size_t n = in.size();
  Window w;
  w.in = std::move(in);
  w.kernel = std::move(kernel);
  if (n == 0 || w.kernel.size() != n) return c.Error("kernel of ", w.kernel.size(), " axes over ", n, " spatial axes");
  for (int64_t k : w.kernel)
    if (k < 1 || k > kMost) return c.Error("kernel is ", DimsText(w.kernel));
  HST_ASSIGN_OR_RETURN(w.strides, SpatialAttr(c, "strides", n, 1, 1));
  HST_ASSIGN_OR_RETURN(w.dilations, SpatialAttr(c, "dilations", n, 1, 1));
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> pads, SpatialAttr(c, "pads", 2 * n, 0, 0));
  const std::string auto_pad = c.node.Str("auto_pad", "NOTSET");
  const bool ceil = c.node.Int("ceil_mode", 0) != 0;
  if (auto_pad != "NOTSET" && auto_pad != "VALID" && auto_pad != "SAME_UPPER" && auto_pad != "SAME_LOWER" && !auto_pad.empty())
    return c.Error("auto_pad is \"", auto_pad, "\"");
  for (size_t d = 0; d < n; ++d) {
    if (w.in[d] > kMost) return c.Error("spatial axis ", d, " has ", w.in[d], " elements");
    const int64_t reach = (w.kernel[d] - 1) * w.dilations[d] + 1, s = w.strides[d];
    int64_t begin = auto_pad == "NOTSET" || auto_pad.empty() ? pads[d] : 0, end = auto_pad == "NOTSET" || auto_pad.empty() ? pads[n + d] : 0, out = 0;
    if (auto_pad.rfind("SAME", 0) == 0) {
      out = (w.in[d] + s - 1) / s;
      const int64_t total = std::max<int64_t>(0, (out - 1) * s + reach - w.in[d]);
      begin = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      end = total - begin;
    } else {
      const int64_t room = w.in[d] + begin + end - reach;
      if (room < 0) return c.Error("the kernel reaches over ", reach, " of ", w.in[d] + begin + end, " padded elements");
      out = (ceil ? (room + s - 1) / s : room / s) + 1;
      if (ceil && (out - 1) * s >= w.in[d] + begin) --out;   // a window wholly in the right padding
    }
    w.begin.push_back(begin);
    w.end.push_back(end);
    w.out.push_back(out);
  }
  return w;
}

}  // namespace hasten::interp
