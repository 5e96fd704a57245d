// What the artifact says about itself, and whether it may be judged on this data: its
// tokenizer is the reference's, and it was not calibrated on what it is evaluated on.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "calib/gate/report.h"
#include "runtime/base/status.h"

namespace hasten::gate {

struct CandidateFacts {
  File file;                                        // role "candidate"
  std::string weights;                              // of the recipe: "int4:64, head int8:64, KV int8"
  std::vector<std::string> calibration_documents;   // SHA-256 in hexadecimal
  std::vector<std::byte> tokenizer;                 // its section
};
// kBadInput for a file whose digests do not hold: it would not be what was compiled.
Result<CandidateFacts> ReadCandidate(const std::string& path, const std::atomic<bool>* cancel);

// kBadInput that names the documents (by number from 1 and beginning) that are in both, and
// those that are there twice: resampling takes them for independent.
Status CheckSeparation(const CandidateFacts& candidate, const std::vector<std::string>& digests, const std::vector<std::string>& documents);

// "" when the model folder's tokenizer, packed, is the candidate's to the byte; else what
// is different.
Result<std::string> TokenizerDifference(const CandidateFacts& candidate, const std::string& folder);

// Name, digest and size of a file.
Result<File> DescribeFile(const std::string& role, const std::string& path);

}  // namespace hasten::gate
