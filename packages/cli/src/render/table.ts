/**
 * Rows of text as an aligned table. Numbers are told from words by the column, not by the cell.
 */
export interface Column {
  readonly title: string
  readonly align?: "left" | "right"
}

export function renderTable(columns: ReadonlyArray<Column>, rows: ReadonlyArray<ReadonlyArray<string>>): string {
  const widths = columns.map((column, i) => Math.max(column.title.length, ...rows.map((row) => (row[i] ?? "").length)))
  const line = (cells: ReadonlyArray<string>) =>
    columns
      .map((column, i) => {
        const cell = cells[i] ?? ""
        return column.align === "right" ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)
      })
      .join("  ")
      .trimEnd()
  return [line(columns.map((column) => column.title)), ...rows.map(line)].join("\n")
}
