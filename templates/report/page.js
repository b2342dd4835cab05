'use strict';
(() => {
  const byId = (name) => document.getElementById(name);
  const criteria = [...document.querySelectorAll('details.criterion')];
  const groups = [...document.querySelectorAll('#criteria .group')];
  const folds = [...document.querySelectorAll('details.closed')];
  const boxes = [...document.querySelectorAll('input[name=verdict]')];
  const text = new Map(criteria.map((row) => [row, row.textContent.toLowerCase()]));
  const filter = () => {
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const words = byId('q').value.trim().toLowerCase();
    let shown = 0;
    for (const row of criteria) {
      row.hidden = !wanted.has(row.dataset.verdict) || !text.get(row).includes(words);
      shown += row.hidden ? 0 : 1;
    }
    for (const group of groups) {
      group.hidden = !group.querySelector('details.criterion:not([hidden])');
    }
    for (const fold of folds) {
      const some = fold.querySelector('details.criterion:not([hidden])') !== null;
      fold.hidden = !some;
      if (words) { fold.open = some; }
    }
    byId('shown').textContent = `${shown} shown`;
  };
  boxes.forEach((box) => box.addEventListener('change', filter));
  byId('q').addEventListener('input', filter);

  const findings = JSON.parse(byId('data').textContent);
  const keys = findings.map((row) => row.join(' ').toLowerCase());
  const size = 100;
  let page = 0;
  const list = () => {
    const words = byId('fq').value.trim().toLowerCase();
    const hits = findings.filter((_, number) => keys[number].includes(words));
    const last = Math.max(0, Math.ceil(hits.length / size) - 1);
    page = Math.min(page, last);
    const rows = hits.slice(page * size, (page + 1) * size).map((row) => {
      const line = document.createElement('tr');
      for (const value of row) {
        const cell = document.createElement('td');
        cell.textContent = value;
        line.append(cell);
      }
      return line;
    });
    byId('frows').replaceChildren(...rows);
    byId('fcount').textContent = hits.length
      ? `${page * size + 1} to ${page * size + rows.length} of ${hits.length}`
      : words ? 'none with these words' : 'none found open';
    byId('ftable').hidden = hits.length === 0;
    byId('fprev').disabled = page === 0;
    byId('fnext').disabled = page >= last;
  };
  byId('fq').addEventListener('input', () => { page = 0; list(); });
  byId('fprev').addEventListener('click', () => { page -= 1; list(); });
  byId('fnext').addEventListener('click', () => { page += 1; list(); });
  list();

  // A link to a criterion opens it, whatever the filter says, and also when it is followed twice.
  const open = (name) => {
    const target = byId(decodeURIComponent(name));
    if (target instanceof HTMLDetailsElement) {
      for (let at = target; at; at = at.parentElement) {
        at.hidden = false;
        if (at instanceof HTMLDetailsElement) { at.open = true; }
      }
      target.querySelector('summary').focus();
    }
  };
  addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a[href^="#"]') : null;
    if (link) { open(link.hash.slice(1)); }
  });
  addEventListener('hashchange', () => open(location.hash.slice(1)));
  open(location.hash.slice(1));

  // Side by side where there is room, which the stylesheet knows: a row for what stands on both
  // sides, and one for what goes beside what comes in its place. A new file has one side alone.
  const arrange = (lines) => {
    let left = 0;
    let right = 0;
    let last = 1;
    for (const line of [...lines.children]) {
      const isRemark = line.textContent.startsWith('\\'); // of the line before it: no newline
      if (line.matches('.del') || (isRemark && last === 1)) {
        left += 1;
        last = 1;
        line.style.gridArea = `${left} / 1`;
      } else if (line.matches('.add') || isRemark) {
        right += 1;
        last = 2;
        line.style.gridArea = `${right} / 2`;
      } else {
        left = right = Math.max(left, right) + 1;
        line.style.gridArea = `${left} / 1 / auto / ${line.matches('.at') ? 3 : 2}`;
        if (!line.matches('.at')) {
          const twin = line.cloneNode(true);
          twin.className = 'twin';
          twin.setAttribute('aria-hidden', 'true');
          twin.style.gridArea = `${left} / 2`;
          lines.append(twin);
        }
      }
    }
    lines.classList.add('sides');
  };
  for (const box of document.querySelectorAll('details.diff')) {
    box.addEventListener('toggle', () => {
      const lines = box.querySelector('pre:not(.sides)');
      if (lines && lines.querySelector('.del')) { arrange(lines); }
    });
  }

  // Paper gets the summary; on request everything but the diffs, which are files of their own.
  let opened = [];
  const root = document.documentElement;
  byId('whole').addEventListener('click', () => {
    root.classList.add('whole');
    print();
  });
  addEventListener('beforeprint', () => {
    if (root.classList.contains('whole')) {
      opened = [...document.querySelectorAll('details:not([open]):not(.diff)')];
      opened.forEach((item) => { item.open = true; });
    }
  });
  addEventListener('afterprint', () => {
    opened.forEach((item) => { item.open = false; });
    opened = [];
    root.classList.remove('whole');
  });
})();
