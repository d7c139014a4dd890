// What the console's picture is measured beside: the same nodes and links, drawn by sigma with its defaults and nothing around it.
import Graph from 'graphology';
import Sigma from 'sigma';

const { nodes, links } = await (await fetch('/picture.json')).json();
const graph = new Graph({ type: 'undirected', multi: true });
for (const { id, label, x, y, size } of nodes) graph.addNode(id, { label, x, y, size, color: '#3b6fd8' });
for (const [source, target] of links) graph.addEdge(source, target);
globalThis.drawnAt = () => graph.order > 0;
new Sigma(graph, document.getElementById('stage'), { allowInvalidContainer: true });
