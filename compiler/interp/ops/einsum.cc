// einsum (ONNX Einsum-12): any number of operands, repeated letters, ellipsis.
// Sums in double over every index; a product of two operands that is a matrix
// product should be written as one.
#include <map>

#include "compiler/interp/ops/doubles.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

struct Equation {
  std::vector<std::vector<int>> operands;   // labels of each axis
  std::vector<int> output;
};

// Letters become their character code; the axes of an ellipsis negative labels,
// counted from the right so that they broadcast.
Result<std::vector<int>> Labels(EvalContext& c, const std::string& term, int64_t rank, int* ellipsis) {
  const size_t dots = term.find("...");
  const int64_t letters = static_cast<int64_t>(term.size()) - (dots == std::string::npos ? 0 : 3);
  const int64_t extra = rank < 0 ? *ellipsis : rank - letters;
  if (extra < 0 || (dots == std::string::npos && extra != 0 && rank >= 0)) return c.Error("the term \"", term, "\" does not fit rank ", rank);
  std::vector<int> out;
  for (size_t i = 0; i < term.size(); ++i) {
    if (i == dots) {
      for (int64_t k = extra; k > 0; --k) out.push_back(static_cast<int>(-k));
      *ellipsis = std::max(*ellipsis, static_cast<int>(extra));
      i += 2;
    } else if (std::isalpha(static_cast<unsigned char>(term[i]))) {
      out.push_back(term[i]);
    } else {
      return c.Error("the term \"", term, "\" holds '", term[i], "'");
    }
  }
  return out;
}

Result<Equation> ParseEquation(EvalContext& c) {
  std::string text;
  for (char ch : c.node.Str("equation", ""))
    if (ch != ' ') text += ch;
  if (text.size() > 512) return c.Error("the equation is too long");
  const size_t arrow = text.find("->");
  const std::string left = text.substr(0, arrow);
  Equation e;
  int ellipsis = 0;
  for (size_t at = 0; at <= left.size();) {
    const size_t comma = std::min(left.find(',', at), left.size());
    const size_t i = e.operands.size();
    if (!c.Has(i)) return c.Error("the equation \"", text, "\" has more terms than operands");
    HST_ASSIGN_OR_RETURN(std::vector<int> labels, Labels(c, left.substr(at, comma - at), c.In(i).rank(), &ellipsis));
    e.operands.push_back(std::move(labels));
    at = comma + 1;
  }
  if (e.operands.size() != c.in.size()) return c.Error("the equation \"", text, "\" has ", e.operands.size(), " terms for ", c.in.size(), " operands");
  if (arrow != std::string::npos) {
    HST_ASSIGN_OR_RETURN(e.output, Labels(c, text.substr(arrow + 2), -1, &ellipsis));
  } else {  // the ellipsis, then letters that stand once, sorted
    std::map<int, int> count;
    for (const auto& labels : e.operands)
      for (int l : labels) ++count[l];
    for (const auto& [l, n] : count)
      if (l < 0 || n == 1) e.output.push_back(l);
  }
  return e;
}

}  // namespace

Status EvalEinsum(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(const Equation e, ParseEquation(c));
  std::map<int, int64_t> size;
  for (size_t i = 0; i < e.operands.size(); ++i)
    for (size_t d = 0; d < e.operands[i].size(); ++d) {
      const int64_t n = c.In(i).dims()[d];
      int64_t& known = size.try_emplace(e.operands[i][d], n).first->second;
      if (known == 1) known = n;
      else if (n != 1 && n != known) return c.Error("axis ", d, " of operand ", i, " has ", n, " elements, elsewhere ", known);
    }
  // Loop axes: the output's, then the summed ones.
  std::vector<int> loops = e.output;
  std::vector<int64_t> out_dims, sum_dims;
  for (int l : e.output) {
    if (!size.count(l)) return c.Error("the output has an axis that no operand has");
    out_dims.push_back(size[l]);
  }
  for (const auto& [l, n] : size)
    if (std::find(e.output.begin(), e.output.end(), l) == e.output.end()) {
      loops.push_back(l);
      sum_dims.push_back(n);
    }
  std::vector<std::vector<int64_t>> strides;   // of each operand along each loop axis
  std::vector<std::vector<double>> values;
  for (size_t i = 0; i < e.operands.size(); ++i) {
    HST_RETURN_IF_ERROR(c.NeedType(i, c.In(0).dtype()));
    const std::vector<int64_t> own = RowMajorStrides(c.In(i).dims());
    std::vector<int64_t> s(loops.size(), 0);
    for (size_t k = 0; k < loops.size(); ++k)
      for (size_t d = 0; d < e.operands[i].size(); ++d)
        if (e.operands[i][d] == loops[k] && c.In(i).dims()[d] != 1) s[k] += own[d];
    strides.push_back(std::move(s));
    values.push_back(ToDoubles(c.In(i)));
  }
  HST_RETURN_IF_ERROR(RoomForDoubles(c, out_dims));
  const int64_t summed = BoundedProduct(sum_dims);
  const bool empty = summed == 0;
  const int64_t results = Product(out_dims, 0, out_dims.size());
  HST_RETURN_IF_ERROR(c.SpendPlain({results, std::max<int64_t>(summed, 1), static_cast<int64_t>(values.size())}));
  std::vector<double> y(static_cast<size_t>(results), 0);
  std::vector<int64_t> out_index(out_dims.size(), 0), index(sum_dims.size(), 0);
  for (double& sum : y) {
    std::fill(index.begin(), index.end(), 0);
    do {
      double product = empty ? 0 : 1;
      for (size_t i = 0; i < values.size() && !empty; ++i) {
        int64_t at = 0;
        for (size_t k = 0; k < loops.size(); ++k)
          at += strides[i][k] * (k < out_index.size() ? out_index[k] : index[k - out_index.size()]);
        product *= values[i][static_cast<size_t>(at)];
      }
      sum += product;
    } while (NextIndex(index, sum_dims));
    NextIndex(out_index, out_dims);
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, c.In(0).dtype(), out_dims, y));
  return {};
}

}  // namespace hasten::interp
