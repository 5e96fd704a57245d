#include "runtime/engine/device_model.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace hasten {
namespace {

constexpr uint64_t kPieceBytes = 16 << 20;   // long enough that starting a copy costs nothing

}  // namespace

Status UploadFloats(Device& device, Queue& queue, std::span<const float> values, std::byte* to, const char* what) {
  HST_ASSIGN_OR_RETURN(const DeviceMemory host, device.AllocateHost(std::max<uint64_t>(values.size_bytes(), 1), what));
  std::memcpy(host.data(), values.data(), values.size_bytes());
  queue.Upload(to, host.data(), values.size_bytes());
  return queue.Wait();
}

Result<std::unique_ptr<DeviceModel>> DeviceModel::Load(std::shared_ptr<Device> device, const ArtifactFile& file,
                                                       std::span<const AttentionShape> layers) {
  const auto start = std::chrono::steady_clock::now();
  std::unique_ptr<DeviceModel> m(new DeviceModel);
  m->device_ = std::move(device);
  HST_ASSIGN_OR_RETURN(m->queue_, m->device_->NewQueue());
  m->bytes_ = file.weights().size();
  HST_ASSIGN_OR_RETURN(m->weights_, m->device_->Allocate(std::max<uint64_t>(m->bytes_, 1), "the weights"));
  HST_RETURN_IF_ERROR(m->Upload(file.weights(), m->weights_.data()));
  std::vector<float> slopes;
  for (const AttentionShape& s : layers)
    if (s.slopes) slopes.insert(slopes.end(), s.slopes, s.slopes + s.heads);
  if (!slopes.empty()) {
    HST_ASSIGN_OR_RETURN(m->slopes_, m->device_->Allocate(slopes.size() * sizeof(float), "ALiBi's slopes"));
    HST_RETURN_IF_ERROR(UploadFloats(*m->device_, *m->queue_, slopes, m->slopes_.data(), "ALiBi's slopes"));
  }
  const float* at = reinterpret_cast<const float*>(m->slopes_.data());
  for (AttentionShape s : layers) {
    if (s.slopes) s.slopes = at, at += s.heads;
    m->layers_.push_back(s);
  }
  m->upload_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return m;
}

Status DeviceModel::Upload(std::span<const std::byte> from, std::byte* to) {
  DeviceMemory pieces[2];
  const uint64_t piece = std::min<uint64_t>(kPieceBytes, from.size());
  for (DeviceMemory& p : pieces) {
    HST_ASSIGN_OR_RETURN(p, device_->AllocateHost(std::max<uint64_t>(piece, 1), "copying the weights"));
  }
  // A queue for each piece, so that one may be filled while the other is on its way.
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<Queue> second, device_->NewQueue());
  Queue* queues[2] = {queue_.get(), second.get()};
  int turn = 0;
  for (uint64_t at = 0; at < from.size(); at += piece, turn ^= 1) {
    const uint64_t bytes = std::min<uint64_t>(piece, from.size() - at);
    HST_RETURN_IF_ERROR(queues[turn]->Wait());
    std::memcpy(pieces[turn].data(), from.data() + at, bytes);
    queues[turn]->Upload(to + at, pieces[turn].data(), bytes);
  }
  for (Queue* q : queues) HST_RETURN_IF_ERROR(q->Wait());
  return {};
}

}  // namespace hasten
