#include "gateway/mailed_reports/drawing.h"

#include <cairo-pdf.h>
#include <pango/pangocairo.h>

#include <memory>

#if __has_feature(address_sanitizer)
// What the font libraries keep for the life of the process is no leak of ours.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libfontconfig\nleak:libcairo\n";
}
#endif

namespace mailreeve::gateway::mailed_reports {
namespace {

// A4 in points.
constexpr double kWidth = 595.28, kHeight = 841.89, kMargin = 42, kContent = kWidth - 2 * kMargin;
constexpr double kFoot = 40;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Surface = std::unique_ptr<cairo_surface_t, Deleter<cairo_surface_destroy>>;
using Context = std::unique_ptr<cairo_t, Deleter<cairo_destroy>>;
using Font = std::unique_ptr<PangoFontDescription, Deleter<pango_font_description_free>>;

class Page {
 public:
  Page(const Document& document, std::string& out) : document_(document) {
    surface_.reset(cairo_pdf_surface_create_for_stream(&Page::Write, &out, kWidth, kHeight));
    cairo_pdf_surface_set_metadata(surface_.get(), CAIRO_PDF_METADATA_TITLE,
                                   (document.Title() + " " + document.Span()).c_str());
    cairo_pdf_surface_set_metadata(surface_.get(), CAIRO_PDF_METADATA_AUTHOR, "Mailreeve");
    cairo_.reset(cairo_create(surface_.get()));
    // Fonts of its own: those of the thread would stay until it ends.
    fonts_ = pango_cairo_font_map_new();
    PangoContext* context = pango_font_map_create_context(fonts_);
    pango_cairo_update_context(cairo_.get(), context);
    layout_ = pango_layout_new(context);
    g_object_unref(context);
  }
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;
  ~Page() {
    g_object_unref(layout_);
    g_object_unref(fonts_);
  }

  void Fill(double x, double y, double width, double height, Colour colour) {
    Use(colour);
    cairo_rectangle(cairo_.get(), x, y, width, height);
    cairo_fill(cairo_.get());
  }
  void Line(double x1, double y1, double x2, double y2, Colour colour, double width) {
    Use(colour);
    cairo_set_line_width(cairo_.get(), width);
    cairo_new_path(cairo_.get());
    cairo_move_to(cairo_.get(), x1, y1);
    cairo_line_to(cairo_.get(), x2, y2);
    cairo_stroke(cairo_.get());
  }
  // With the baseline at `y`; cut with an ellipsis when wider than `room`. Returns its width.
  double Text(double x, double y, const std::string& text, double size, Colour colour,
              Label::Anchor anchor = Label::Anchor::kStart, bool bold = false, double room = 0) {
    SetFont(size, bold);
    pango_layout_set_width(layout_, room > 0 ? static_cast<int>(room * PANGO_SCALE) : -1);
    pango_layout_set_ellipsize(layout_, room > 0 ? PANGO_ELLIPSIZE_END : PANGO_ELLIPSIZE_NONE);
    pango_layout_set_text(layout_, text.c_str(), static_cast<int>(text.size()));
    int width = 0, height = 0;
    pango_layout_get_size(layout_, &width, &height);
    const double wide = static_cast<double>(width) / PANGO_SCALE;
    if (anchor == Label::Anchor::kMiddle) x -= wide / 2;
    if (anchor == Label::Anchor::kEnd) x -= wide;
    Use(colour);
    cairo_move_to(cairo_.get(), x,
                  y - static_cast<double>(pango_layout_get_baseline(layout_)) / PANGO_SCALE);
    pango_cairo_show_layout(cairo_.get(), layout_);
    return wide;
  }

  // At most two lines, right and at the bottom of the box.
  void Wrapped(double x, double y, double width, double height, const std::string& text) {
    SetFont(7.5, false);
    pango_layout_set_width(layout_, static_cast<int>(width * PANGO_SCALE));
    pango_layout_set_height(layout_, -2);
    pango_layout_set_wrap(layout_, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_ellipsize(layout_, PANGO_ELLIPSIZE_END);
    pango_layout_set_alignment(layout_, PANGO_ALIGN_RIGHT);
    pango_layout_set_text(layout_, text.c_str(), static_cast<int>(text.size()));
    int wide = 0, high = 0;
    pango_layout_get_size(layout_, &wide, &high);
    Use(kMuted);
    cairo_move_to(cairo_.get(), x, y + height - static_cast<double>(high) / PANGO_SCALE);
    pango_cairo_show_layout(cairo_.get(), layout_);
    pango_layout_set_alignment(layout_, PANGO_ALIGN_LEFT);
    pango_layout_set_height(layout_, -1);
  }

  void First() {
    Fill(0, 0, kWidth, 96, kAccent);
    Text(kMargin, 46, document_.Title(), 22, kWhite, Label::Anchor::kStart, true);
    Text(kMargin, 68, Shown(document_.gateway, 60) + "  ·  " + document_.Span(), 10.5,
         {0xdb, 0xea, 0xfe}, Label::Anchor::kStart, false, kContent);
    y_ = 124;
  }
  // Room for `height`, on a new page when this one has none.
  void Need(double height) {
    if (y_ + height <= kHeight - kFoot - 10) return;
    End();
    y_ = kMargin;
  }
  void End() {
    ++number_;
    Line(kMargin, kHeight - kFoot, kWidth - kMargin, kHeight - kFoot, kLine, 0.75);
    Text(kMargin, kHeight - kFoot + 16,
         Say(document_.language, "Made by Mailreeve at ", "由 Mailreeve 生成于 ") +
             FormatTime(document_.made).substr(0, 16) + "Z",
         8, kMuted);
    Text(kWidth - kMargin, kHeight - kFoot + 16, std::to_string(number_), 8, kMuted,
         Label::Anchor::kEnd);
    cairo_show_page(cairo_.get());
  }
  void Draw(const Drawing& drawing) {
    for (const auto& item : drawing.items) {
      if (const auto* box = std::get_if<Box>(&item)) {
        Fill(kMargin + box->x, y_ + box->y, box->width, box->height, box->fill);
      } else if (const auto* stroke = std::get_if<Stroke>(&item)) {
        Use(stroke->colour);
        cairo_set_line_width(cairo_.get(), stroke->width);
        cairo_set_line_join(cairo_.get(), CAIRO_LINE_JOIN_ROUND);
        // Text leaves a current point behind.
        cairo_new_path(cairo_.get());
        for (const auto& [x, y] : stroke->points) cairo_line_to(cairo_.get(), kMargin + x, y_ + y);
        cairo_stroke(cairo_.get());
      } else if (const auto* label = std::get_if<Label>(&item)) {
        Text(kMargin + label->x, y_ + label->y, label->text, label->size, label->colour,
             label->anchor, label->bold);
      }
    }
    y_ += drawing.height;
  }
  void Put(const Section& section);
  Result<void> Finish() {
    End();
    cairo_surface_finish(surface_.get());
    for (const cairo_status_t status :
         {cairo_status(cairo_.get()), cairo_surface_status(surface_.get())}) {
      if (status != CAIRO_STATUS_SUCCESS) {
        return Fail(Code::kInternal,
                    std::string("the PDF could not be made: ") + cairo_status_to_string(status));
      }
    }
    return {};
  }

 private:
  static cairo_status_t Write(void* to, const unsigned char* bytes, unsigned size) {
    static_cast<std::string*>(to)->append(reinterpret_cast<const char*>(bytes), size);
    return CAIRO_STATUS_SUCCESS;
  }
  void Use(Colour c) { cairo_set_source_rgb(cairo_.get(), c.r / 255.0, c.g / 255.0, c.b / 255.0); }
  void SetFont(double size, bool bold) {
    const Font font(pango_font_description_from_string("Noto Sans, Noto Sans CJK SC, sans-serif"));
    pango_font_description_set_absolute_size(font.get(), size * PANGO_SCALE);
    pango_font_description_set_weight(font.get(), bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(layout_, font.get());
    pango_context_set_language(
        pango_layout_get_context(layout_),
        pango_language_from_string(Say(document_.language, "en", "zh-cn").c_str()));
  }
  void Row(const Section& section, const std::string& name, const std::vector<uint64_t>& values,
           Colour colour, bool bold);
  double ColumnWidth(const Section& section) const {
    return section.keyed ? std::min(86.0, 300.0 / static_cast<double>(section.shown.size())) : 86;
  }

  const Document& document_;
  Surface surface_;
  Context cairo_;
  PangoFontMap* fonts_ = nullptr;
  PangoLayout* layout_ = nullptr;
  double y_ = kMargin;
  int number_ = 0;
};

void Page::Row(const Section& section, const std::string& name, const std::vector<uint64_t>& values,
               Colour colour, bool bold) {
  Need(16);
  const double column = ColumnWidth(section);
  const double names = kContent - column * static_cast<double>(values.size());
  Text(kMargin, y_ + 11, name, 8.5, colour, Label::Anchor::kStart, bold, names - 8);
  for (size_t i = 0; i < values.size(); ++i) {
    Text(kMargin + names + column * static_cast<double>(i + 1), y_ + 11, Grouped(values[i]), 8.5,
         colour, Label::Anchor::kEnd, bold);
  }
  Line(kMargin, y_ + 15, kWidth - kMargin, y_ + 15, kLine, 0.5);
  y_ += 16;
}

void Page::Put(const Section& section) {
  const Drawing chart = DrawChart(section, document_.language, kContent);
  Need(60 + (chart.items.empty() ? 0 : chart.height));
  Text(kMargin, y_ + 14, section.title, 13, kInk, Label::Anchor::kStart, true, kContent);
  y_ += 26;
  if (!chart.items.empty()) {
    Draw(chart);
    y_ += 8;
  }
  const auto pick = [&section](const std::vector<uint64_t>& values) {
    std::vector<uint64_t> out;
    for (const size_t i : section.shown) out.push_back(values[i]);
    return out;
  };
  if (!section.shown.empty() && section.keyed) {
    Need(60);
    const double column = ColumnWidth(section);
    const double names = kContent - column * static_cast<double>(section.shown.size());
    const double head = 26;
    Text(kMargin, y_ + head - 5, Say(document_.language, "Key", "项目"), 7.5, kMuted);
    for (size_t i = 0; i < section.columns.size(); ++i) {
      const double left = kMargin + names + column * static_cast<double>(i);
      Wrapped(left + 6, y_, column - 6, head - 2, section.columns[i]);
    }
    Line(kMargin, y_ + head, kWidth - kMargin, y_ + head, kMuted, 0.75);
    y_ += head + 1;
    for (const auto& row : section.table.rows)
      Row(section, row.key.empty() ? "–" : Shown(row.key, 200), pick(row.values), kInk, false);
    Row(section, Say(document_.language, "Others", "其他"), pick(section.table.others), kMuted,
        false);
    Row(section, Say(document_.language, "Total", "总计"), pick(section.table.totals), kInk, true);
  } else {
    for (size_t i = 0; i < section.shown.size(); ++i)
      Row(section, section.columns[i], {section.table.totals[section.shown[i]]}, kInk, false);
  }
  for (const std::string& note : section.notes) {
    Need(16);
    Text(kMargin, y_ + 12, Shown(note, 300), 8, kMuted, Label::Anchor::kStart, false, kContent);
    y_ += 14;
  }
  y_ += 26;
}

}  // namespace

Result<std::string> RenderPdf(const Document& document) {
  std::string out;
  {
    Page page(document, out);
    page.First();
    for (const Section& section : document.sections) page.Put(section);
    TRY_VOID(page.Finish());
  }
  return out;
}

}  // namespace mailreeve::gateway::mailed_reports
