#pragma once

// An array by number whose copies remember: a copy is one pointer, and changing an element of one
// copy leaves all others as they were.
//
//   root --> middle (256 pages) --> page (64 elements)
//
// Nodes that more than one copy holds are never written: edit() copies the three on the way to the
// element, at most about 2 KiB and a page. Nodes that one copy alone holds are changed in place, so
// many edits of one copy cost little more than those of a plain array. Elements never touched take
// no memory, so numbers may have holes.
//
// Threads: one copy is a value: many threads read it, or one changes it. Different copies are
// independent, and the last owner of a node frees it on whatever thread it is.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"

namespace sluice {

template <class T>
class PersistentArray {
 public:
  static constexpr std::uint32_t kPage = 64;
  static constexpr std::uint32_t kIndexMax = (1u << 30) - 1;

  PersistentArray() = default;
  // O(1).
  PersistentArray(const PersistentArray& other)
      : root_(other.root_), size_(other.size_), nodes_size_(other.nodes_size_) {
    if (root_ != nullptr) retain(*root_);
  }
  PersistentArray(PersistentArray&& other) noexcept
      : root_(std::exchange(other.root_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        nodes_size_(std::exchange(other.nodes_size_, 0)) {}
  PersistentArray& operator=(PersistentArray other) noexcept {
    std::swap(root_, other.root_);
    std::swap(size_, other.size_);
    std::swap(nodes_size_, other.nodes_size_);
    return *this;
  }
  ~PersistentArray() { release(root_); }

  // One past the greatest index that was ever edited.
  std::uint32_t size() const { return size_; }

  // The element, or null where nothing near it was ever edited. Elements that lie beside an edited
  // one are there too, as T(). Three dependent loads.
  const T* find(std::uint32_t index) const {
    if (index >= size_) return nullptr;
    const Middle* middle = root_->middles[index / (kPage * kMiddle)];
    if (middle == nullptr) return nullptr;
    const Page* page = middle->pages[index / kPage % kMiddle];
    return page == nullptr ? nullptr : &page->elements[index % kPage];
  }
  // Requires an element that find() knows.
  const T& operator[](std::uint32_t index) const {
    return root_->middles[index / (kPage * kMiddle)]
        ->pages[index / kPage % kMiddle]
        ->elements[index % kPage];
  }

  // The element of this copy alone, T() if it was never edited. The reference lasts until the
  // next copy of this array, or its end.
  T& edit(std::uint32_t index) {
    CHECK(index <= kIndexMax);
    Root& root = own(root_);
    const std::size_t row = index / (kPage * kMiddle);
    if (row >= root.middles.size()) root.middles.resize(row + 1, nullptr);
    if (index >= size_) size_ = index + 1;
    Page& page = own(own(root.middles[row]).pages[index / kPage % kMiddle]);
    return page.elements[index % kPage];
  }

  // visit(index, const T&) for every element that find() knows, ascending.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::uint32_t index = 0; index < size_;) {
      const T* element = find(index);
      if (element == nullptr) {
        index = (index / kPage + 1) * kPage;
      } else {
        visit(index, *element);
        ++index;
      }
    }
  }

  // Bytes of all nodes; what other copies hold too is counted in each. O(1).
  std::size_t memory_size() const {
    if (root_ == nullptr) return 0;
    return nodes_size_ + root_->middles.capacity() * sizeof(Middle*);
  }

 private:
  static constexpr std::uint32_t kMiddle = 256;

  // Dropped with release by each owner, and with acquire by the last, who frees the node.
  struct Shared {
    std::atomic<std::uint32_t> owners{1};
    Shared() = default;
    Shared(const Shared&) {}
  };
  struct Page : Shared {
    std::array<T, kPage> elements{};
  };
  struct Middle : Shared {
    std::array<Page*, kMiddle> pages{};
  };
  struct Root : Shared {
    std::vector<Middle*> middles;
  };

  // Relaxed: whoever copies an owner's pointer owns the node already.
  static void retain(Shared& node) { node.owners.fetch_add(1, std::memory_order_relaxed); }
  static void retain_children(Page&) {}
  static void retain_children(Middle& middle) {
    for (Page* page : middle.pages) {
      if (page != nullptr) retain(*page);
    }
  }
  static void retain_children(Root& root) {
    for (Middle* middle : root.middles) {
      if (middle != nullptr) retain(*middle);
    }
  }
  static void release_children(Page&) {}
  static void release_children(Middle& middle) {
    for (Page* page : middle.pages) release(page);
  }
  static void release_children(Root& root) {
    for (Middle* middle : root.middles) release(middle);
  }
  template <class Node>
  static void release(Node* node) {
    if (node == nullptr) return;
    // Acquire-release: the last owner sees the reads of all others before it frees.
    if (node->owners.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    release_children(*node);
    delete node;
  }

  // The node in `place`, made if there is none, copied if somebody else holds it too.
  template <class Node>
  Node& own(Node*& place) {
    if (place == nullptr) {
      place = new Node;
      nodes_size_ += sizeof(Node);  // nodes only go with the array
    } else if (place->owners.load(std::memory_order_acquire) != 1) {
      // Acquire: pairs with the release of the other owner that left last.
      Node* copy = new Node(*place);
      retain_children(*copy);
      release(place);
      place = copy;
    }
    return *place;
  }

  Root* root_ = nullptr;
  std::uint32_t size_ = 0;
  std::size_t nodes_size_ = 0;
};

}  // namespace sluice
