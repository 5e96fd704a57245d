#include "cli/generate.h"

#include <algorithm>
#include <chrono>
#include <memory>

namespace hasten::cli {
namespace {

using Clock = std::chrono::steady_clock;

double Milliseconds(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

// Text of the tokens so far, on its way to the screen.
class TextOut {
 public:
  static Result<std::unique_ptr<TextOut>> Create(const calib::Artifact& artifact, const GenerateOptions& options) {
    std::unique_ptr<TextOut> out(new TextOut(options));
    if (options.text) {
      HST_ASSIGN_OR_RETURN(out->stream_, calib::TextStream::Create(artifact, options.stops));
    }
    return out;
  }

  Status Push(int32_t token) {
    if (!stream_) return {};
    HST_ASSIGN_OR_RETURN(const std::string piece, stream_->Push(token));
    return Show(piece);
  }
  Status Finish() {
    if (!stream_) return {};
    HST_ASSIGN_OR_RETURN(const std::string piece, stream_->Finish());
    return Show(piece);
  }
  bool stopped() const { return stream_ && stream_->stopped(); }
  std::string text;

 private:
  explicit TextOut(const GenerateOptions& options) : options_(options) {}
  Status Show(const std::string& piece) {
    text += piece;
    return piece.empty() || !options_.show ? Status() : options_.show(piece);
  }
  const GenerateOptions& options_;
  std::unique_ptr<calib::TextStream> stream_;
};

bool IsEnd(const calib::Artifact& artifact, int32_t token) {
  const std::vector<int32_t>& ends = artifact.info().eos_ids;
  return std::find(ends.begin(), ends.end(), token) != ends.end();
}

}  // namespace

Result<Generated> Generate(const calib::Artifact& artifact, calib::Session& session, std::span<const int32_t> prompt,
                           const GenerateOptions& options) {
  const Clock::time_point begin = Clock::now();
  Clock::time_point first = begin, last = begin;
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<TextOut> out, TextOut::Create(artifact, options));
  HST_RETURN_IF_ERROR(session.Append(prompt));
  std::vector<int32_t> history(prompt.begin(), prompt.end());
  const int64_t limit = artifact.info().max_positions;
  Generated result;
  result.finish_reason = "length";
  while (static_cast<int64_t>(result.tokens.size()) < options.max_tokens) {
    if (options.cancel && *options.cancel) return Status(Code::kCancelled, "interrupted");
    HST_ASSIGN_OR_RETURN(const int32_t token, session.SampleNext(history, options.sampling));
    last = Clock::now();
    if (history.size() == prompt.size()) first = last;
    if (IsEnd(artifact, token)) {
      result.finish_reason = "stop";
      break;
    }
    history.push_back(token);
    result.tokens.push_back(token);
    HST_RETURN_IF_ERROR(out->Push(token));
    if (out->stopped()) {
      result.finish_reason = "stop";
      break;
    }
    if (static_cast<int64_t>(result.tokens.size()) == options.max_tokens) break;
    if (limit > 0 && session.length() >= limit) break;
    HST_RETURN_IF_ERROR(session.Append({&history.back(), 1}));
  }
  HST_RETURN_IF_ERROR(out->Finish());
  result.text = out->text;
  result.ttft_ms = Milliseconds(begin, first);
  const size_t gaps = history.size() - prompt.size();
  if (gaps > 1) result.itl_ms = Milliseconds(first, last) / static_cast<double>(gaps - 1);
  return result;
}

}  // namespace hasten::cli
