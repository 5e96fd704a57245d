// What a change of linears' inputs loses: the squared error of their outputs on
// observed inputs, with the weights rounded to nearest in their scheme and the
// activations to INT8 in their group, both as changed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "calib/equalize/change.h"
#include "compiler/ir/graph.h"
#include "runtime/base/status.h"
#include "runtime/base/threads.h"
#include "runtime/quant/scheme.h"

namespace hasten::calib {

// How a linear is rounded.
struct Rounding {
  Scheme scheme = Scheme::kF32;
  int64_t activation_group = 0;        // 0: its inputs are not
  bool activation_residual = false;
};

// Inputs that were observed: x [rows][k], of which the first rows are of tokens that
// begin a sequence. Their values are of another size than all others' (Sun et al. 2024,
// "Massive Activations"), and every token attends to them.
struct SiteInputs {
  std::vector<float> x;
  int64_t first = 0;
};

class SiteLoss {
 public:
  // Linears that read x, `roundings` beside them. 256 rows of each matrix, evenly
  // spaced, stand for all.
  SiteLoss(std::span<ir::Node* const> readers, std::span<const Rounding> roundings, int64_t k, SiteInputs in);

  // A loss for each change of x: over all matrices, of first tokens and of others,
  // each relative to the energy of its outputs. Linears of floats round nothing and lose
  // nothing. kBadInput for inputs or weights that are not finite.
  Result<std::vector<double>> Of(std::span<const Change> changes, ThreadPool& pool) const;

  // Of each channel: root of the mean square of x and its largest magnitude, first tokens
  // left out, and the largest magnitude of the weights that meet it.
  const std::vector<double>& rms() const { return rms_; }
  const std::vector<double>& top() const { return top_; }
  const std::vector<double>& weights_top() const { return weights_top_; }

 private:
  struct Part {
    Rounding rounding;
    int64_t n = 0;
    std::vector<float> w, y;   // [n][k], [rows][n]
    double energy[2] = {};     // of the outputs of first tokens, of others
    std::string name;
  };
  void AddPart(const ir::Node& reader, size_t part, const Rounding& rounding);
  Result<double> Of(const Change& change) const;
  Result<double> OfPart(const Part& part, const Change& change, std::vector<float>& x) const;

  int64_t rows_, first_, k_;
  std::vector<float> x_;
  std::vector<Part> parts_;
  std::vector<double> rms_, top_, weights_top_;
};

}  // namespace hasten::calib
