// Evaluation of an artifact against the model it was made from: both score the
// same text, token by token. The candidate runs as it would be served, through
// the C interface and its own packed configuration; the reference is interpreted,
// or comes from logits that were kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calib/abi/artifact.h"
#include "calib/data/chunks.h"
#include "calib/eval/reference.h"
#include "calib/eval/rows.h"
#include "calib/metrics/metric.h"
#include "runtime/base/status.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

// What a model evaluated, scored or not, and the time it took by the clock.
struct Speed {
  int64_t tokens = 0;
  double seconds = 0;
  double TokensPerSecond() const { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }
};

// The token that the tokenizer puts before every text, if it does.
Result<std::optional<int32_t>> LeadingToken(const Artifact& artifact);

// A text as the chunks that are scored, or for an encoder as the documents that are.
struct TextChunks {
  Chunks chunks;                      // of an encoder: count and document alone
  std::vector<std::vector<int32_t>> texts;   // an encoder's documents, `context` tokens at most
  std::vector<std::string> digests;   // of the documents, DocumentDigest
  std::vector<std::string> documents;
};
// Splits the file into documents, tokenises each with the artifact's tokenizer and cuts
// chunks; for an encoder, takes `count` whole documents (0: all), evenly spaced, as its
// tokenizer frames them. Messages name the file.
Result<TextChunks> ChunksOfText(const Artifact& artifact, const std::string& path, int64_t context, int64_t count);

// The reference's rows for chunk i: those of its scored positions, in order.
using ReferenceRows = std::function<Result<std::shared_ptr<const RowSource>>(int64_t chunk)>;

struct ScoreOptions {
  int threads = 1;
  std::function<void(int64_t done, int64_t total)> progress;  // chunks; may be null
  const std::atomic<bool>* cancel = nullptr;
  // A chunk's scores from an interrupted run, or nullopt; and those that were made. May be null.
  std::function<std::optional<std::vector<TokenScore>>(int64_t chunk)> known;
  std::function<void(int64_t chunk, std::span<const TokenScore> scores)> made;
};

struct Scores {
  std::vector<TokenScore> scores;   // of every scored position, in order
  std::vector<int32_t> document;    // of each, numbered from 0 without gaps
  int64_t documents = 0;
  Speed reference, candidate;       // scoring not counted
};

// Scores one chunk with a session that may hold another sequence.
Result<std::vector<TokenScore>> ScoreChunk(const Chunks& chunks, int64_t index, const RowSource& reference, Session& candidate,
                                           ThreadPool& pool, Speed& speed);
// All chunks. kBadInput when the vocabularies differ.
Result<Scores> ScoreChunks(const Artifact& artifact, const Chunks& chunks, const ReferenceRows& reference, const ScoreOptions& options);

// An encoder's outputs for each document, row by row (one row where they are pooled).
Result<Scores> ScoreTexts(const Artifact& artifact, const TextChunks& text, ReferenceModel& reference, const ScoreOptions& options);

}  // namespace hasten::calib
