{#- What the inventory says of a table: relation, primary key, subject, ruled fields. Read from the graph, so only while
    dbt executes; unit tests have no graph and override this macro. -#}
{% macro mask_spec(source_name, table_name) -%}
    {%- set spec = {'source': source_name, 'table': table_name, 'relation': none, 'primary_key': [], 'subject': {}, 'fields': []} -%}
    {%- if execute -%}
        {%- set found = graph.sources.values()
            | selectattr('source_name', 'equalto', source_name) | selectattr('name', 'equalto', table_name) | list -%}
        {%- if found | length != 1 -%}
            {{ exceptions.raise_compiler_error('The inventory has no ' ~ source_name ~ '.' ~ table_name) }}
        {%- endif -%}
        {%- set node = found[0] -%}
        {%- set meta = node.config.meta or node.meta -%}
        {%- do spec.update({
            'relation': node.schema ~ '.' ~ node.identifier,
            'primary_key': meta.primary_key,
            'subject': meta.subject,
        }) -%}
        {%- for column in node.columns.values() -%}
            {%- set column_meta = (column.config or {}).get('meta') or column.meta or {} -%}
            {%- if 'rule' not in column_meta -%}
                {{ exceptions.raise_compiler_error('No rule for ' ~ source_name ~ '.' ~ table_name ~ '.' ~ column.name) }}
            {%- endif -%}
            {%- if column_meta.rule != 'keep' -%}
                {%- do spec.fields.append({'name': column.name, 'rule': column_meta.rule}) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(spec) }}
{%- endmacro %}
