// Other devices than the one that tests run on, as far as launchers look: of another
// architecture and with another number of multiprocessors.
#pragma once

#include <string>

#include "tests/device/test_device.h"

namespace hasten::testing {

struct Machine {
  int arch, processors;
};
inline std::string Of(const Machine& m) { return StrCat("sm_", m.arch, " of ", m.processors, " processors"); }

// While it lives, the queue is that of another device.
class Pretend {
 public:
  explicit Pretend(const Machine& m) { queue_.arch = m.arch, queue_.processors = m.processors; }
  ~Pretend() { queue_.arch = own_.arch, queue_.processors = own_.processors; }
  DeviceQueue& queue() { return queue_; }

 private:
  DeviceQueue& queue_ = TestQueue().launches();
  const Machine own_ = {queue_.arch, queue_.processors};
};

}  // namespace hasten::testing
