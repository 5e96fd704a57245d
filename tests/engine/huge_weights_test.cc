// The move to huge pages: the same bytes at the same addresses, also for a thread
// that reads meanwhile, and no move before it pays.
#include "runtime/engine/huge_weights.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace hasten {
namespace {

// A private read-only mapping of a file of `bytes` pseudo-random bytes.
class MappedFile {
 public:
  explicit MappedFile(size_t bytes) : bytes_(bytes) {
    std::string path = ::testing::TempDir() + "huge_weights_XXXXXX";
    const int fd = mkstemp(path.data());
    unlink(path.c_str());
    std::vector<uint32_t> words(bytes / 4);
    uint32_t x = 1;
    for (uint32_t& w : words) w = x = x * 1664525u + 1013904223u;
    EXPECT_EQ(write(fd, words.data(), bytes), static_cast<ssize_t>(bytes));
    data_ = static_cast<const std::byte*>(mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0));
    close(fd);
  }
  ~MappedFile() { munmap(const_cast<std::byte*>(data_), bytes_); }
  std::span<const std::byte> bytes() const { return {data_, bytes_}; }
  bool Intact() const {
    uint32_t x = 1;
    for (size_t i = 0; i < bytes_ / 4; ++i)
      if (reinterpret_cast<const volatile uint32_t*>(data_)[i] != (x = x * 1664525u + 1013904223u)) return false;
    return true;
  }

 private:
  size_t bytes_;
  const std::byte* data_ = nullptr;
};

TEST(HugeWeights, KeepTheirBytesWhileTheyAreRead) {
  constexpr size_t kBytes = 24'000'000;   // no multiple of a page
  const MappedFile file(kBytes);
  HugeWeights weights(file.bytes(), 2);
  std::atomic<bool> done{false}, intact{true};
  std::thread reader([&] {
    while (!done) intact = intact && file.Intact();
  });
  weights.CountRead();
  EXPECT_EQ(weights.moved_bytes(), 0u) << "one read does not pay";
  weights.CountRead();
  weights.Wait();
  done = true;
  reader.join();
  EXPECT_TRUE(intact);
  EXPECT_TRUE(file.Intact());
  EXPECT_LE(weights.moved_bytes(), kBytes);
  EXPECT_EQ(weights.moved_bytes() % HugeWeights::kPageBytes, 0u);
}

TEST(HugeWeights, StopWhenTheirModelGoes) {
  const MappedFile file(8'000'000);
  {
    HugeWeights weights(file.bytes(), 1);
    weights.CountRead();
  }
  EXPECT_TRUE(file.Intact());
}

TEST(HugeWeights, LeaveWhatIsSmallerThanAPage) {
  const MappedFile file(4096 * 3);
  HugeWeights weights(file.bytes(), 1);
  weights.CountRead();
  weights.Wait();
  EXPECT_EQ(weights.moved_bytes(), 0u);
  EXPECT_TRUE(file.Intact());
}

}  // namespace
}  // namespace hasten
