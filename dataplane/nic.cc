#include "dataplane/nic.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <net/if.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

namespace sluice {
namespace {

// A Toeplitz key of repeated 16 bits gives both directions of a connection the same hash (Woo and
// Park, "Scalable TCP session monitoring with symmetric receive-side scaling", 2012).
constexpr std::size_t kRssKeyMax = 64;
constexpr std::array<std::uint8_t, kRssKeyMax> symmetric_key() {
  std::array<std::uint8_t, kRssKeyMax> key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = i % 2 == 0 ? 0x6d : 0x5a;
  return key;
}

constexpr std::uint64_t kRssFields = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;

std::string reason_of(int problem, const Eal& eal) {
  const std::string logged = eal.logged();
  return logged.empty() ? rte_strerror(problem < 0 ? -problem : problem) : logged;
}

// The port number that DPDK gave to the device.
bool find_dpdk_port(const std::string& device, std::uint16_t& port) {
  const std::string name(device_name(device));
  if (rte_eth_dev_get_port_by_name(name.c_str(), &port) == 0) return true;
  rte_dev_iterator iterator;
  std::uint16_t candidate = 0;
  RTE_ETH_FOREACH_MATCHING_DEV(candidate, device.c_str(), &iterator) {
    port = candidate;
    rte_eth_iterator_cleanup(&iterator);
    return true;
  }
  return false;
}

}  // namespace

Nic::Nic(NicConfig config, std::uint16_t dpdk_port)
    : config_(std::move(config)), dpdk_port_(dpdk_port) {
  rte_eth_dev_get_mtu(dpdk_port_, &mtu_);
}

Result<std::unique_ptr<Nic>> Nic::probe(const NicConfig& config, Eal& eal) {
  eal.forget_log();
  std::uint16_t port = 0;
  const auto missing = [&](std::string_view reason) {
    return Error{ErrorKind::Invalid, "missing-device",
                 "port " + config.id + ": device \"" + config.device + "\" cannot be used (" +
                     std::string(reason) + "); " + devices_there_are(),
                 config.device};
  };
  std::uint16_t taken = 0;
  if (rte_eth_dev_get_port_by_name(std::string(device_name(config.device)).c_str(), &taken) == 0) {
    return missing("another port uses it");
  }
  const int problem = rte_dev_probe(config.device.c_str());
  if (problem != 0) return missing(reason_of(problem, eal));
  if (!find_dpdk_port(config.device, port)) return missing("no driver of DPDK took it");
  return std::unique_ptr<Nic>(new Nic(config, port));
}

Nic::~Nic() { close(); }

Error Nic::failure(std::string_view step, int problem, const Eal& eal) const {
  return Error{ErrorKind::Failed, "device-refused",
               "port " + config_.id + ": device \"" + config_.device + "\" refuses to " +
                   std::string(step) + " (" + reason_of(problem, eal) + ")",
               config_.device};
}

Status Nic::start(rte_mempool* pool, unsigned worker_count, Eal& eal) {
  eal.forget_log();
  if (const int problem = configure(worker_count)) return failure("be configured", problem, eal);
  if (const int problem = set_up_queues(pool)) return failure("set up its queues", problem, eal);
  if (const int problem = rte_eth_dev_start(dpdk_port_)) return failure("start", problem, eal);
  // The appliance answers for addresses that are not the device's own.
  const int problem = rte_eth_promiscuous_enable(dpdk_port_);
  if (problem != 0 && problem != -ENOTSUP) return failure("be promiscuous", problem, eal);
  choose_mac();
  poll_link();
  return Ok();
}

int Nic::configure(unsigned worker_count) {
  rte_eth_dev_info device{};
  if (const int problem = rte_eth_dev_info_get(dpdk_port_, &device)) return problem;
  driver_ = device.driver_name == nullptr ? "" : device.driver_name;
  rx_queues_ = std::min<unsigned>(worker_count, device.max_rx_queues);
  tx_queues_ = std::min<unsigned>(worker_count, device.max_tx_queues);
  if (rx_queues_ == 0 || tx_queues_ == 0) return -ENOTSUP;
  // Each receive queue of net_pcap is a capture of its own, to be read whoever polls it.
  if (driver_ == "net_pcap") rx_queues_ = device.max_rx_queues;

  rte_eth_conf conf{};
  conf.rxmode.mtu = std::clamp<std::uint32_t>(mtu_, device.min_mtu, device.max_mtu);
  conf.rxmode.offloads = device.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
  // Legal since all buffers come from one pool and are never shared.
  conf.txmode.offloads =
      device.tx_offload_capa & (RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
  static constexpr auto kKey = symmetric_key();
  std::array<std::uint8_t, kRssKeyMax> key = kKey;
  const std::uint64_t fields = device.flow_type_rss_offloads & kRssFields;
  if (rx_queues_ > 1 && fields != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = fields;
    if (device.hash_key_size > 0 && device.hash_key_size <= key.size()) {
      conf.rx_adv_conf.rss_conf.rss_key = key.data();
      conf.rx_adv_conf.rss_conf.rss_key_len = device.hash_key_size;
    }
  }
  return rte_eth_dev_configure(dpdk_port_, static_cast<std::uint16_t>(rx_queues_),
                               static_cast<std::uint16_t>(tx_queues_), &conf);
}

int Nic::set_up_queues(rte_mempool* pool) {
  rte_eth_dev_info device{};
  if (const int problem = rte_eth_dev_info_get(dpdk_port_, &device)) return problem;
  std::uint16_t rx_descriptors = kDescriptors;
  std::uint16_t tx_descriptors = kDescriptors;
  if (const int problem =
          rte_eth_dev_adjust_nb_rx_tx_desc(dpdk_port_, &rx_descriptors, &tx_descriptors)) {
    return problem;
  }
  const int socket_signed = rte_eth_dev_socket_id(dpdk_port_);
  const unsigned socket = socket_signed < 0 ? 0 : static_cast<unsigned>(socket_signed);
  for (std::uint16_t queue = 0; queue < rx_queues_; ++queue) {
    if (const int problem =
            rte_eth_rx_queue_setup(dpdk_port_, queue, rx_descriptors, socket, nullptr, pool)) {
      return problem;
    }
  }
  for (std::uint16_t queue = 0; queue < tx_queues_; ++queue) {
    if (const int problem =
            rte_eth_tx_queue_setup(dpdk_port_, queue, tx_descriptors, socket, nullptr)) {
      return problem;
    }
  }
  return 0;
}

void Nic::close() {
  if (!is_open_) return;
  is_open_ = false;
  rte_eth_dev_stop(dpdk_port_);
  rte_eth_dev_close(dpdk_port_);
}

void Nic::choose_mac() {
  rte_ether_addr address{};
  rte_eth_macaddr_get(dpdk_port_, &address);
  std::copy_n(address.addr_bytes, mac_.bytes.size(), mac_.bytes.begin());
  // The kernel's end of a tap has the address of the device; the appliance's end needs another.
  if (driver_ == "net_tap") {
    mac_.bytes[0] = static_cast<std::uint8_t>((mac_.bytes[0] | 0x02) & 0xfe);
    mac_.bytes[1] ^= 0x80;
  }
  // Rings and the like have none: the appliance still needs an address to answer by.
  if (mac_.is_zero()) {
    mac_ = MacAddr{{0x02, 0x51, 0x1c, 0xe0, static_cast<std::uint8_t>(dpdk_port_ >> 8),
                    static_cast<std::uint8_t>(dpdk_port_)}};
  }
}

bool Nic::ask_link() const {
  rte_eth_dev_info device{};
  if (rte_eth_dev_info_get(dpdk_port_, &device) != 0) return true;
  // A tap whose interface was moved to another network namespace cannot be asked: DPDK asks by
  // name, finds nothing, and says down. Unknown counts as up.
  std::array<char, IF_NAMESIZE> name{};
  if (driver_ == "net_tap" && if_indextoname(device.if_index, name.data()) == nullptr) return true;
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(dpdk_port_, &link) != 0) return true;
  return link.link_status == RTE_ETH_LINK_UP;
}

void Nic::poll_link() { link_up_.store(ask_link(), std::memory_order_relaxed); }

NicInfo Nic::info() const {
  NicInfo info;
  info.config = config_;
  info.mac = mac_;
  info.mtu = mtu_;
  info.link_up = &link_up_;
  return info;
}

NicStatus Nic::status() const {
  NicStatus status;
  status.id = config_.id;
  status.device = config_.device;
  status.driver = driver_;
  status.role = config_.role;
  status.mac = mac_;
  status.link_up = link_up_.load(std::memory_order_relaxed);
  status.mtu = mtu_;
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(dpdk_port_, &link) == 0 &&
      link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN) {
    status.speed_mbps = link.link_speed;
  }
  status.rx_queues = rx_queues_;
  status.tx_queues = tx_queues_;
  status.vpcs = config_.vpcs;
  status.interface = config_.interface;
  return status;
}

}  // namespace sluice
